import { createCipheriv } from 'node:crypto';
import { open, rm, truncate, writeFile } from 'node:fs/promises';
import { run } from './run.ts';

const MiB = 1024 * 1024;

export interface LuksContainer {
  version: 1 | 2;
  uuid: string;
  /** Each opens it. Key files are given as they are, passphrases without a newline. */
  keys: readonly (string | Uint8Array)[];
  /** The disk file the container lies in, and where. */
  disk: string;
  offsetBytes: number;
  sizeBytes: number;
}

/** LUKS2 sectors are as large as a page, LUKS1 knows 512 bytes only. */
const forms = {
  1: { headerBytes: 2 * MiB, sectorBytes: 512 },
  2: { headerBytes: 16 * MiB, sectorBytes: 4096 },
} as const;

/** Bytes of a container that are its header. */
export function luksHeaderBytes(version: LuksContainer['version']): number {
  return forms[version].headerBytes;
}

/**
 * Makes a LUKS container with a given content inside a disk file, without device mapper: the header is
 * cryptsetup's own, written for a volume key that we chose; the content is encrypted with it here, as dm-crypt
 * does it with aes-xts-plain64. Keys are stretched little, so that emulated guests open it in no time.
 *
 * @param content file of the container's size less its header
 */
export async function makeLuks(container: LuksContainer, content: string): Promise<void> {
  const { version, disk, offsetBytes, sizeBytes } = container;
  const { headerBytes, sectorBytes } = forms[version];
  const volumeKey = Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 37 + 11) % 256));
  const header = `${disk}.luks`;
  await writeHeader(container, header, volumeKey);
  await truncate(header, headerBytes);
  await run('dd', [...ddQuiet, `if=${header}`, `of=${disk}`, `seek=${offsetBytes}`]);
  await rm(header);
  await encrypt(content, { disk, offsetBytes: offsetBytes + headerBytes }, volumeKey, sectorBytes);
  const { size } = await open(content).then(async (file) => file.stat().finally(() => file.close()));
  if (size !== sizeBytes - headerBytes) throw new Error(`${content} has ${size} bytes`);
}

const ddQuiet = ['bs=1M', 'conv=notrunc', 'oflag=seek_bytes', 'status=none'];

async function writeHeader(
  { version, uuid, keys, sizeBytes }: LuksContainer,
  header: string,
  volumeKey: Buffer,
): Promise<void> {
  const keyFiles = keys.map((_, index) => `${header}.key${index}`);
  const volumeKeyFile = `${header}.volume`;
  await writeFile(volumeKeyFile, volumeKey);
  for (const [index, key] of keys.entries()) await writeFile(keyFiles[index] ?? '', key);
  await writeFile(header, '');
  await truncate(header, sizeBytes);
  const [first = '', ...more] = keyFiles;
  const pbkdf = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--hash', 'sha256'];
  const volume = ['--batch-mode', '--volume-key-file', volumeKeyFile, '--key-size', '512'];
  const cipher = ['--cipher', 'aes-xts-plain64', '--uuid', uuid];
  const type = version === 1 ? ['--type', 'luks1'] : ['--type', 'luks2', '--sector-size', '4096'];
  try {
    await run('cryptsetup', ['luksFormat', ...type, ...volume, ...cipher, ...pbkdf, header, first]);
    for (const key of more) {
      await run('cryptsetup', ['luksAddKey', ...volume, ...pbkdf, header, key]);
    }
  } finally {
    for (const file of [...keyFiles, volumeKeyFile]) await rm(file);
  }
}

/** dm-crypt's plain64: the initialisation vector is the number of the sector in units of 512 bytes. */
async function encrypt(
  content: string,
  to: { disk: string; offsetBytes: number },
  volumeKey: Buffer,
  sectorBytes: number,
): Promise<void> {
  const source = await open(content);
  const target = await open(to.disk, 'r+');
  try {
    const chunk = Buffer.alloc(4 * MiB);
    for (let at = 0; ;) {
      const { bytesRead } = await source.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) return;
      const sealed = Buffer.alloc(bytesRead);
      for (let begin = 0; begin < bytesRead; begin += sectorBytes) {
        const vector = Buffer.alloc(16);
        vector.writeBigUInt64LE(BigInt((at + begin) / 512));
        const cipher = createCipheriv('aes-256-xts', volumeKey, vector);
        sealed.set(cipher.update(chunk.subarray(begin, begin + sectorBytes)), begin);
      }
      await target.write(sealed, 0, bytesRead, to.offsetBytes + at);
      at += bytesRead;
    }
  } finally {
    await source.close();
    await target.close();
  }
}
