import { createCipheriv } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm, truncate } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run } from '../guests/lib/run.ts';

export const MiB = 1024 ** 2;

/**
 * Makes a qcow2 image with data that does not compress, followed by nothing.
 *
 * @returns `path`.
 */
export async function noiseDisk(
  path: string,
  size: { dataBytes: number; virtualBytes: number },
): Promise<string> {
  const raw = `${path}.raw`;
  const zeros = Readable.from(Array.from({ length: size.dataBytes / MiB }, () => Buffer.alloc(MiB)));
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  await pipeline(zeros, cipher, createWriteStream(raw));
  await truncate(raw, size.virtualBytes);
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
  await rm(raw);
  return path;
}
