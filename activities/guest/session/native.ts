import koffi from 'koffi';
import { calls, type CallName, type CallShape, type ReturnTypes } from './calls.ts';

/** libguestfs's last error: its message, and the errno the appliance reported (0: none). */
export class GuestfsCallError extends Error {
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(message);
    this.errno = errno;
  }
}

/** Listens to events of the handle, guestfs(3) "SETTING CALLBACKS TO HANDLE EVENTS". */
export interface NativeEvents {
  /** Output of qemu and of the appliance's kernel. */
  console(text: string): void;
  progress(position: number, total: number): void;
}

type NativeFunction = (...args: unknown[]) => unknown;
/** A pointer as koffi hands it out; null for NULL. */
type Pointer = bigint | object | null;

const createNoEnvironment = 1;
const eventAppliance = 0x10n;
const eventProgress = 0x8n;
const pointerSize = 8;
const maxListLength = 1_000_000;

const argumentTypes = {
  string: ['const char *'],
  bool: ['int'],
  int: ['int'],
  int64: ['int64_t'],
  strings: ['const char **'],
  bytes: ['const uint8_t *', 'size_t'],
  key: ['const uint8_t *'],
} as const;

const returnTypes: Record<keyof ReturnTypes, string> = {
  nothing: 'int',
  bool: 'int',
  int: 'int',
  int64: 'int64_t',
  string: 'void *',
  strings: 'void *',
  hash: 'void *',
  bytes: 'void *',
  statns: 'void *',
  statvfs: 'void *',
  subvolumes: 'void *',
};

/**
 * One libguestfs handle in this process, its calls made synchronously: libguestfs keeps the last error per
 * thread, and this process has nothing else to do. Returned memory is freed here.
 */
export class NativeHandle {
  private readonly library = koffi.load('libguestfs.so.0');
  private readonly functions = new Map<CallName, NativeFunction>();
  private readonly handle: Pointer;
  private readonly free: NativeFunction = koffi.load(null).func('void free(void *)');
  private readonly lastError = this.bind('const char *guestfs_last_error(void *)');
  private readonly lastErrno = this.bind('int guestfs_last_errno(void *)');

  constructor(events: NativeEvents) {
    // Without its environment: TMPDIR, LIBGUESTFS_* of the worker mean nothing here.
    this.handle = this.bind('void *guestfs_create_flags(uint, ...)')(createNoEnvironment) as Pointer;
    if (this.handle === null) throw new GuestfsCallError('guestfs_create_flags returned no handle', 0);
    this.bind('void guestfs_set_error_handler(void *, void *, void *)')(this.handle, null, null);
    this.listen(events);
  }

  call(
    name: CallName,
    args: readonly unknown[],
    options: Readonly<Record<string, string | boolean>>,
  ): unknown {
    const shape: CallShape = calls[name];
    const sizeOut: unknown[] = [0];
    const passed = [
      this.handle,
      ...shape.args.flatMap((kind, index) => toNative(kind, args[index])),
      ...(shape.returns === 'bytes' ? [sizeOut] : []),
      ...(shape.options === undefined ? [] : variadic(shape.options, options)),
    ];
    const result = this.function(name, shape)(...passed);
    if (failed(shape, result)) {
      throw new GuestfsCallError(
        (this.lastError(this.handle) as string | null) ?? `guestfs_${name} failed without a message`,
        Number(this.lastErrno(this.handle)),
      );
    }
    return this.convert(shape, result, Number(sizeOut[0]));
  }

  /** Launched, and the appliance still there as far as libguestfs knows. */
  isReady(): boolean {
    return this.bind('int guestfs_is_ready(void *)')(this.handle) === 1;
  }

  close(): void {
    this.bind('void guestfs_close(void *)')(this.handle);
  }

  private bind(prototype: string): NativeFunction {
    return this.library.func(prototype) as NativeFunction;
  }

  private function(name: CallName, shape: CallShape): NativeFunction {
    const known = this.functions.get(name);
    if (known !== undefined) return known;
    const parameters = [
      'void *',
      ...shape.args.flatMap((kind) => argumentTypes[kind]),
      ...(shape.returns === 'bytes' ? ['_Out_ size_t *'] : []),
      ...(shape.options === undefined ? [] : ['...']),
    ];
    try {
      const bound = this.bind(`${returnTypes[shape.returns]} guestfs_${name}(${parameters.join(', ')})`);
      this.functions.set(name, bound);
      return bound;
    } catch (error) {
      // koffi's words for a symbol that an older library lacks.
      throw new GuestfsCallError(`this libguestfs has no guestfs_${name}: ${String(error)}`, 0);
    }
  }

  private listen(events: NativeEvents): void {
    const prototype = koffi.proto(
      'void guestfs_event(void *g, void *opaque, uint64_t event, int handle, int flags, const uint8_t *buf, size_t length, const uint64_t *array, size_t arrayLength)',
    );
    const callback = koffi.register((...event: unknown[]) => {
      const [, , kind, , , text, length, numbers, count] = event;
      if (BigInt(kind as number | bigint) === eventAppliance) {
        events.console(Buffer.from(koffi.decode(text, 'uint8_t', Number(length)) as Uint8Array).toString());
      } else if (Number(count) >= 4) {
        const [, , position, total] = [...(koffi.decode(numbers, 'uint64_t', 4) as Iterable<bigint>)];
        events.progress(Number(position), Number(total));
      }
    }, koffi.pointer(prototype));
    this.bind('int guestfs_set_event_callback(void *, void *, uint64_t, int, void *)')(
      this.handle,
      callback,
      eventAppliance | eventProgress,
      0,
      null,
    );
  }

  private convert(shape: CallShape, result: unknown, size: number): unknown {
    switch (shape.returns) {
      case 'nothing':
        return undefined;
      case 'bool':
        return result === 1;
      case 'int':
      case 'int64':
        return Number(result);
      case 'string':
        return this.takeString(result as Pointer);
      case 'strings':
        return this.takeStrings(result as Pointer);
      case 'hash':
        return pairs(this.takeStrings(result as Pointer));
      case 'bytes': {
        const bytes =
          size === 0 ? Buffer.alloc(0) : Buffer.from(koffi.decode(result, 'uint8_t', size) as Uint8Array);
        this.free(result);
        return bytes;
      }
      case 'statns': {
        // All fields are int64_t: dev ino mode nlink uid gid rdev size blksize blocks atime(2) mtime(2) ctime(2).
        const field = this.takeNumbers(result as Pointer, 14);
        return { mode: field(2), uid: field(4), gid: field(5), size: field(7), mtimeSeconds: field(12) };
      }
      case 'statvfs': {
        // int64_t: bsize frsize blocks bfree bavail files ffree favail fsid flag namemax.
        const field = this.takeNumbers(result as Pointer, 11);
        return { bsize: field(1), blocks: field(2), bavail: field(4), files: field(5), favail: field(7) };
      }
      case 'subvolumes':
        return this.takeSubvolumes(result as Pointer);
    }
  }

  private takeString(pointer: Pointer): string {
    const text = koffi.decode.string(pointer);
    this.free(pointer);
    return text;
  }

  private takeStrings(list: Pointer): string[] {
    const strings: string[] = [];
    for (let index = 0; ; index++) {
      const item = koffi.decode(list, index * pointerSize, 'void *') as Pointer;
      if (item === null) break;
      if (index < maxListLength) strings.push(koffi.decode.string(item));
      this.free(item);
    }
    this.free(list);
    return strings;
  }

  private takeNumbers(pointer: Pointer, count: number): (index: number) => number {
    const fields = Array.from(koffi.decode(pointer, 'int64_t', count) as ArrayLike<bigint | number>, Number);
    this.free(pointer);
    return (index) => fields[index] ?? 0;
  }

  /** `struct { uint32_t len; struct { uint64_t id, top_level_id; char *path } *val }`. */
  private takeSubvolumes(list: Pointer): { id: number; path: string }[] {
    const count = Number(koffi.decode(list, 'uint32_t'));
    const values = koffi.decode(list, pointerSize, 'void *') as Pointer;
    const found = Array.from({ length: count }, (_, index) => {
      const start = index * 24;
      const path = koffi.decode(values, start + 16, 'void *') as Pointer;
      return {
        id: Number(koffi.decode(values, start, 'uint64_t')),
        path: koffi.decode.string(path),
      };
    });
    this.bind('void guestfs_free_btrfssubvolume_list(void *)')(list);
    return found;
  }
}

function toNative(kind: CallShape['args'][number], value: unknown): unknown[] {
  switch (kind) {
    case 'strings':
      return [[...(value as string[]), null]];
    case 'bytes':
      return [value, (value as Uint8Array).length];
    case 'key': {
      // NUL-terminated by us; the caller refuses keys that contain NUL.
      const key = value as Uint8Array;
      return [Buffer.concat([key, Buffer.alloc(1)])];
    }
    case 'bool':
      return [value === true ? 1 : 0];
    case 'string':
    case 'int':
    case 'int64':
      return [value];
  }
}

/** Optional arguments as libguestfs's variadic functions take them: number, value, ..., -1. */
function variadic(
  known: NonNullable<CallShape['options']>,
  options: Readonly<Record<string, string | boolean>>,
): unknown[] {
  const passed = Object.entries(options).flatMap(([name, value]) => {
    const option = known[name];
    if (option === undefined) throw new TypeError(`no optional argument ${name}`);
    return option.kind === 'bool'
      ? ['int', option.id, 'int', value === true ? 1 : 0]
      : ['int', option.id, 'const char *', value];
  });
  return [...passed, 'int', -1];
}

function failed(shape: CallShape, result: unknown): boolean {
  return returnTypes[shape.returns] === 'void *' ? result === null : Number(result) === -1;
}

function pairs(strings: string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < strings.length; index += 2) {
    found.push([strings[index] ?? '', strings[index + 1] ?? '']);
  }
  return found;
}
