import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageFiles, readPublicKeys, readScript } from '../../../activities/host/guest-files.ts';

const dir = mkdtempSync(join(tmpdir(), 'guest-files-'));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(dir, name), content);
  return join(dir, name);
}
const found = (pattern: RegExp) => ({
  code: 'GUEST_FILE_UNUSABLE',
  found: expect.stringMatching(pattern) as string,
});

describe('files of the host that go into a guest', () => {
  it('are packages, or directories of them', async () => {
    const one = await file('one.rpm', '');
    await mkdir(join(dir, 'repo'));
    const two = await file('repo/two.deb', '');
    await file('repo/README', '');
    expect(await packageFiles([one, join(dir, 'repo')])).toEqual([one, two]);
  });

  it.each([
    ['gone.deb', /does not exist/],
    ['empty', /holds no \.deb or \.rpm/],
    ['script', /does not end in \.deb or \.rpm/],
  ])('are refused by name: %s', async (name, pattern) => {
    await mkdir(join(dir, 'empty'), { recursive: true });
    await file('script', '#!/bin/sh\n');
    await expect(packageFiles([join(dir, name)])).rejects.toMatchObject(found(pattern));
  });

  it('are scripts that say what runs them', async () => {
    expect((await readScript(await file('ok.sh', '#!/bin/sh\n'))).toString()).toBe('#!/bin/sh\n');
    await expect(readScript(await file('bad.sh', 'echo\n'))).rejects.toMatchObject(
      found(/does not begin with #!/),
    );
    await expect(readScript(dir)).rejects.toMatchObject(found(/not a regular file/));
  });

  it('are public keys; a private one is refused without a word of it', async () => {
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc ops';
    expect(await readPublicKeys(await file('a.pub', `# ops\n${key}\n\n`))).toEqual([key]);
    const secret = await file('id', '-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n');
    await expect(readPublicKeys(secret)).rejects.toMatchObject(found(/private key; name the \.pub file/));
    await expect(readPublicKeys(await file('b.pub', `${key}\nhunter2\n`))).rejects.toMatchObject(
      found(/line 2 is no public key$/),
    );
    await expect(readPublicKeys(await file('c.pub', '\n'))).rejects.toMatchObject(found(/holds no key/));
  });
});
