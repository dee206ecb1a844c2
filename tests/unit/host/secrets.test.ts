import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createSecretResolver } from '../../../activities/host/secrets.ts';
import { secretRef } from '../../../contracts/spec-atoms.ts';

const dir = mkdtempSync(join(tmpdir(), 'secrets-'));
afterAll(() => rmSync(dir, { recursive: true }));

const resolve = createSecretResolver({
  environment: { KEY: ' spaced ', EMPTY: '' },
  credentialsDirectory: dir,
});
const secret = (reference: string) => resolve(secretRef.parse(reference));
const file = (content: string | Buffer) => {
  const path = join(dir, 'key');
  writeFileSync(path, content);
  return `file:${path}`;
};

describe('resolving a secret', () => {
  it('takes an environment variable as it is', async () => {
    expect((await secret('env:KEY')).toString()).toBe(' spaced ');
  });

  it('reads files as bytes, without one line end at the end', async () => {
    expect(await secret(file(Buffer.from([0xff, 0x00, 0x0a, 0x80])))).toEqual(
      Buffer.from([0xff, 0, 0x0a, 0x80]),
    );
    expect((await secret(file('word\n'))).toString()).toBe('word');
    expect((await secret(file('word\r\n'))).toString()).toBe('word');
    expect((await secret(file('word\n\n'))).toString()).toBe('word\n');
  });

  it('keeps the line end of a key file', async () => {
    const reference = secretRef.parse(file(Buffer.from([0xff, 0x00, 0x0d, 0x0a])));
    expect(await resolve(reference, 'bytes')).toEqual(Buffer.from([0xff, 0x00, 0x0d, 0x0a]));
  });

  it('finds systemd credentials by name only', async () => {
    file('word\n');
    expect((await secret('cred:key')).toString()).toBe('word');
    await expect(secret('cred:..')).rejects.toMatchObject({ code: 'SECRET_UNRESOLVED' });
    await expect(
      createSecretResolver({ environment: {} })(secretRef.parse('cred:key')),
    ).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
    });
  });

  it.each([['env:ABSENT'], ['env:EMPTY'], ['file:/nowhere/key'], [`file:${dir}`]])(
    'names %s when it does not resolve',
    async (reference) => {
      const failure = await secret(reference).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'SECRET_UNRESOLVED' });
      expect(String(failure)).toContain(reference);
    },
  );

  it('refuses an empty file and a huge one', async () => {
    await expect(secret(file('\n'))).rejects.toMatchObject({ code: 'SECRET_UNRESOLVED' });
    await expect(secret(file(Buffer.alloc(9 * 1024 * 1024)))).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
    });
  });
});
