import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { BlobName, BlobService } from './blob-service.ts';
import { footerBytes, vhdFooter } from './vhd-footer.ts';

/** Bytes of a disk that were written or cleared; `end` is not among them. */
export interface Change {
  start: number;
  end: number;
}

/** What a disk holds when it is added. All else of it is zeros that were never written. */
export type InitialContent =
  /** Raw content; blocks of 64 KiB with nothing but zeros are left out. May be shorter than the disk. */
  | { file: string }
  /** In any order; at multiples of 512. */
  | { extents: readonly { offset: number; data: Buffer }[] };

const putBytes = 4 * 1024 * 1024;
const blockBytes = 64 * 1024;
const putsAtOnce = 4;

/** Azure calls the blob of every exported disk this. */
const blobName = 'abcd';

/** The state of a disk at one moment, as a page blob in a container of its own. */
export class FrozenContent {
  readonly at: BlobName;
  readonly disk: DiskContent;
  /** How many changes of the disk are in it. */
  readonly changes: number;
  readonly #service: BlobService;

  constructor(service: BlobService, at: BlobName, disk: DiskContent, changes: number) {
    this.#service = service;
    this.at = at;
    this.disk = disk;
    this.changes = changes;
  }

  /** The same state once more. */
  async copy(): Promise<FrozenContent> {
    const at = await newContainer(this.#service);
    await this.#service.copy(this.at, at);
    return new FrozenContent(this.#service, at, this.disk, this.changes);
  }

  async remove(): Promise<void> {
    await this.#service.deleteContainer(this.at.container);
  }
}

/**
 * The content of a managed disk: a page blob of the disk's size and a VHD footer behind it. Made when it is
 * first needed, so that disks which are only listed cost nothing.
 */
export class DiskContent {
  readonly sizeBytes: number;
  /** All changes since the disk was added, in order. */
  readonly changes: Change[] = [];
  readonly #service: () => Promise<BlobService>;
  #blob: Promise<BlobName> | undefined;

  constructor(sizeBytes: number, service: () => Promise<BlobService>) {
    this.sizeBytes = sizeBytes;
    this.#service = service;
  }

  /** The live blob. */
  blob(): Promise<BlobName> {
    return (this.#blob ??= this.#create());
  }

  async load(content: InitialContent): Promise<void> {
    if ('file' in content) return this.#loadFile(content.file);
    for (const { offset, data } of content.extents) await this.#put(offset, data);
  }

  /** Somebody writes to the disk, at a multiple of 512. */
  async write(offset: number, data: Buffer): Promise<void> {
    await this.#put(offset, data);
    this.changes.push({ start: offset, end: offset + data.length });
  }

  /** Somebody trims the disk. */
  async clear(offset: number, length: number): Promise<void> {
    const service = await this.#service();
    await service.clearPages(await this.blob(), offset, length);
    this.changes.push({ start: offset, end: offset + length });
  }

  /** A copy of its content as it is now. */
  async freeze(): Promise<FrozenContent> {
    const service = await this.#service();
    const at = await newContainer(service);
    const changes = this.changes.length;
    await service.copy(await this.blob(), at);
    return new FrozenContent(service, at, this, changes);
  }

  async #create(): Promise<BlobName> {
    const service = await this.#service();
    const at = await newContainer(service);
    await service.createPageBlob(at, this.sizeBytes + footerBytes);
    await service.putPages(at, this.sizeBytes, vhdFooter(this.sizeBytes));
    return at;
  }

  async #put(offset: number, data: Buffer): Promise<void> {
    if (offset % 512 !== 0 || data.length % 512 !== 0 || offset + data.length > this.sizeBytes)
      throw new RangeError(
        `no pages of a disk of ${this.sizeBytes} bytes: ${data.length} bytes at ${offset}`,
      );
    const service = await this.#service();
    const at = await this.blob();
    for (let from = 0; from < data.length; from += putBytes)
      await service.putPages(at, offset + from, data.subarray(from, from + putBytes));
  }

  async #loadFile(path: string): Promise<void> {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const underWay = new Set<Promise<void>>();
      for (let at = 0; at < size; at += putBytes) {
        const buffer = Buffer.alloc(putBytes);
        const { bytesRead } = await file.read(buffer, 0, Math.min(putBytes, size - at), at);
        const piece = buffer.subarray(0, Math.ceil(bytesRead / 512) * 512);
        for (const { start, end } of dataRuns(piece)) {
          const put: Promise<void> = this.#put(at + start, piece.subarray(start, end)).finally(() =>
            underWay.delete(put),
          );
          underWay.add(put);
          if (underWay.size >= putsAtOnce) await Promise.race(underWay);
        }
      }
      await Promise.all(underWay);
    } finally {
      await file.close();
    }
  }
}

async function newContainer(service: BlobService): Promise<BlobName> {
  const container = randomBytes(6).toString('hex');
  await service.createContainer(container);
  return { container, blob: blobName };
}

const zeros = Buffer.alloc(blockBytes);

/** Runs of blocks that hold anything but zeros. */
function dataRuns(piece: Buffer): Change[] {
  const runs: Change[] = [];
  for (let start = 0; start < piece.length; start += blockBytes) {
    const end = Math.min(start + blockBytes, piece.length);
    if (piece.subarray(start, end).equals(zeros.subarray(0, end - start))) continue;
    const last = runs.at(-1);
    if (last?.end === start) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}
