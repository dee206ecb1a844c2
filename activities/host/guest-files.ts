import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../contracts/errors.ts';

/** Files of this host that a spec names for the guest. */

const maxPackageBytes = 256 * 1024 * 1024;
const maxPackages = 64;
const maxScriptBytes = 1024 * 1024;
const maxKeyBytes = 256 * 1024;
const packageName = /\.(deb|rpm)$/;

/**
 * The package files that `paths` stand for: files as they are, directories with what lies in them.
 *
 * @throws LonghaulError GUEST_FILE_UNUSABLE
 */
export async function packageFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const info = await infoOf(path);
    if (info.isDirectory()) {
      const inside = (await readdir(path)).filter((name) => packageName.test(name)).sort();
      if (inside.length === 0) throw unusable(path, 'the directory holds no .deb or .rpm file');
      if (inside.length > maxPackages)
        throw unusable(path, `the directory holds ${inside.length} packages, more than ${maxPackages}`);
      files.push(...inside.map((name) => join(path, name)));
    } else if (!packageName.test(path)) throw unusable(path, 'its name does not end in .deb or .rpm');
    else files.push(path);
  }
  for (const file of files) {
    const info = await infoOf(file);
    if (!info.isFile()) throw unusable(file, 'it is not a regular file');
    if (info.size > maxPackageBytes)
      throw unusable(file, `it has ${info.size} bytes, more than ${maxPackageBytes}`);
  }
  return files;
}

/** A script that a kernel can start. @throws LonghaulError GUEST_FILE_UNUSABLE */
export async function readScript(path: string): Promise<Buffer> {
  const content = await readLimited(path, maxScriptBytes);
  if (content.toString('latin1', 0, 2) !== '#!') throw unusable(path, 'it does not begin with #!');
  return content;
}

const publicKeyLine = /^(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/]{16,}={0,3}( [ -~\u00a0-\uffff]*)?$/;

/** The public keys of a file, one a line, comments left out. @throws LonghaulError GUEST_FILE_UNUSABLE */
export async function readPublicKeys(path: string): Promise<string[]> {
  const text = (await readLimited(path, maxKeyBytes)).toString('utf8');
  // Its text must not get into a message.
  if (text.includes('PRIVATE KEY')) throw unusable(path, 'it is a private key; name the .pub file beside it');
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw unusable(path, 'it holds no key');
  const wrong = lines.findIndex((line) => line !== '' && !line.startsWith('#') && !publicKeyLine.test(line));
  if (wrong >= 0) throw unusable(path, `its line ${wrong + 1} is no public key`);
  return keys;
}

async function readLimited(path: string, maxBytes: number): Promise<Buffer> {
  const info = await infoOf(path);
  if (!info.isFile()) throw unusable(path, 'it is not a regular file');
  if (info.size > maxBytes) throw unusable(path, `it has ${info.size} bytes, more than ${maxBytes}`);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unusable(path, `it cannot be read (${errnoOf(error)})`, error);
  });
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function infoOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    throw unusable(path, errnoOf(error) === 'ENOENT' ? 'it does not exist' : `(${errnoOf(error)})`, error);
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
}

function unusable(path: string, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'GUEST_FILE_UNUSABLE',
    {
      found: `${path}: ${why}`,
      remedy:
        'Correct guest.agentPackages, guest.firstBoot or guest.sshKeys in the spec, or the file on this host.',
      details: { path },
    },
    cause,
  );
}
