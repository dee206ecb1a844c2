import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../contracts/errors.ts';
import type { SecretRef } from '../../contracts/spec.ts';

/** Where this worker's secrets come from; read once from the environment by workers/options.ts. */
export interface SecretSources {
  environment: Readonly<Record<string, string | undefined>>;
  /** systemd.exec(5) CREDENTIALS_DIRECTORY; absent when the service has none. */
  credentialsDirectory?: string;
}

/** No passphrase or key file is larger: cryptsetup(8) takes at most 8 MiB, and this is read into memory. */
const maxSecretBytes = 8 * 1024 * 1024;

/**
 * Gives the bytes that a reference stands for; they belong to the caller, who overwrites them after use.
 * `line`: without one line end at the end of a file or credential; `bytes`: all of it.
 */
export type ResolveSecret = (reference: SecretRef, form?: 'line' | 'bytes') => Promise<Buffer>;

/**
 * Resolves references to secrets: `env:NAME`, `file:/PATH`, `cred:NAME`. Files are read as bytes. One line
 * end at the end of a file or credential is not part of a passphrase, because editors and `echo` write one;
 * a passphrase that ends in a line end needs two. Key files are taken as they are.
 *
 * @returns a function that throws LonghaulError SECRET_UNRESOLVED, naming the reference and never the secret;
 *   its result belongs to the caller, who overwrites it after use.
 */
export function createSecretResolver(sources: SecretSources): ResolveSecret {
  return async (reference, form = 'line') => {
    const [, kind, name = ''] = /^(env|file|cred):(.+)$/s.exec(reference) ?? [];
    switch (kind) {
      case 'env':
        return fromEnvironment(sources.environment[name], reference);
      case 'file':
        return fromFile(name, reference, form);
      case 'cred': {
        const { credentialsDirectory } = sources;
        if (credentialsDirectory === undefined || /[/\0]|^\.\.?$/.test(name)) {
          throw unresolved(reference, 'this worker was given no systemd credential of that name');
        }
        return fromFile(join(credentialsDirectory, name), reference, form);
      }
      case undefined:
      default:
        throw unresolved(reference, 'it is not of the form env:NAME, file:/PATH or cred:NAME');
    }
  };
}

function fromEnvironment(value: string | undefined, reference: SecretRef): Buffer {
  if (value === undefined || value === '') {
    throw unresolved(reference, "the worker's environment has no such variable, or an empty one");
  }
  return Buffer.from(value);
}

async function fromFile(path: string, reference: SecretRef, form: 'line' | 'bytes'): Promise<Buffer> {
  let file;
  try {
    // Non-blocking: a FIFO without a writer would hold the worker for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile()) throw unresolved(reference, 'it is not a regular file');
    if (info.size > maxSecretBytes) throw unresolved(reference, `it is larger than ${maxSecretBytes} bytes`);
    const content = await file.readFile();
    const secret = form === 'bytes' ? content : content.subarray(0, content.length - lineEndBytes(content));
    if (secret.length === 0) throw unresolved(reference, 'it is empty');
    return secret;
  } catch (error) {
    if (error instanceof LonghaulError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read';
    throw unresolved(reference, why, error);
  } finally {
    await file?.close();
  }
}

function lineEndBytes(content: Buffer): number {
  if (content.at(-1) !== 0x0a) return 0;
  return content.at(-2) === 0x0d ? 2 : 1;
}

function unresolved(reference: SecretRef, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'SECRET_UNRESOLVED',
    {
      found: `${reference}: ${why}`,
      remedy: 'Make the secret available to the worker on this host under that name, then retry.',
    },
    cause,
  );
}
