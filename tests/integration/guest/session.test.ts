import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession, type SessionOptions } from '../../../activities/guest/session/open-session.ts';
import { ext4Disk, quietIo } from '../../support/guest-trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'session-'));
const disk = join(dir, 'disk.raw');

function options(more: Partial<SessionOptions> = {}): SessionOptions {
  return {
    disks: [{ path: disk, format: 'raw' }],
    accelerator: 'tcg',
    readOnly: true,
    io: quietIo(),
    tmpDir: dir,
    ...more,
  };
}

/** Process ids of the appliances that work in this test's directory. */
function appliances(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes('qemu-system') && command.includes(dir);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function gone(limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    if (appliances().length === 0) return true;
    await sleep(100);
  }
  return false;
}

beforeAll(async () => {
  await ext4Disk(disk, async (root) => {
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc/config'), 'one\n', { mode: 0o640 });
    await writeFile(join(root, 'etc/large'), Buffer.alloc(5 * 1024 * 1024, 'x'));
    await writeFile(join(root, 'empty'), '');
    await symlink('/etc/config', join(root, 'link'));
    await symlink('/etc/shadow', join(root, 'outside'));
  });
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('a session with an appliance', () => {
  let session: GuestSession;

  beforeAll(async () => {
    session = await openSession(options());
    await session.mount('/dev/sda', '/', '');
  });
  afterAll(() => session.close());

  it('lists devices and file systems', async () => {
    expect(await session.listDevices()).toEqual(['/dev/sda']);
    expect(await session.listFilesystems()).toEqual(new Map([['/dev/sda', 'ext4']]));
    expect((await session.blkid('/dev/sda')).get('TYPE')).toBe('ext4');
    expect((await session.preadDevice('/dev/sda', 2, 1080)).toString('hex')).toBe('53ef');
    expect(session.launchSeconds).toBeGreaterThan(0);
  });

  it('reads files, links and attributes of the guest', async () => {
    expect(await session.ls('/etc')).toEqual(['config', 'large']);
    expect(await session.glob('{/etc/con*,/em*}')).toEqual(['/etc/config', '/empty']);
    expect((await session.readFile('/link')).toString()).toBe('one\n');
    expect(await session.readFile('/empty')).toEqual(Buffer.alloc(0));
    expect((await session.readFile('/etc/large', 8 * 1024 * 1024)).length).toBe(5 * 1024 * 1024);
    expect(await session.realpath('/link')).toBe('/etc/config');
    expect(await session.stat('/etc/config')).toMatchObject({ mode: 0o100640, uid: 0, sizeBytes: 4 });
    expect((await session.statvfs('/')).blocksFree).toBeGreaterThan(1000);
  });

  it('never follows a link out of the guest', async () => {
    expect(await session.isFile('/outside')).toBe(false);
    await expect(session.readFile('/outside')).rejects.toMatchObject({ code: 'GUESTFS_FAILED' });
  });

  it('reads no file larger than was asked for', async () => {
    await expect(session.readFile('/etc/large')).rejects.toMatchObject({
      code: 'GUESTFS_FAILED',
      found: '/etc/large has 5242880 bytes, more than the 4194304 allowed',
    });
  });

  it('downloads to a new private file only', async () => {
    const copy = join(dir, 'copy');
    await session.download('/etc/config', copy);
    expect(await readFile(copy, 'utf8')).toBe('one\n');
    await expect(session.download('/etc/config', copy)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('replaces the file behind a link, with its mode and owner', async () => {
    await session.chown(33, 44, '/etc/config');
    await session.replaceFile('/link', 'two\n');
    expect((await session.readFile('/etc/config')).toString()).toBe('two\n');
    expect(await session.stat('/etc/config')).toMatchObject({ mode: 0o100640, uid: 33, gid: 44 });
    expect(await session.readlink('/link')).toBe('/etc/config');
    expect(await session.ls('/etc')).toEqual(['config', 'large']);
  });

  it('replaces files larger than a message, and makes new ones', async () => {
    await session.replaceFile('/new', Buffer.alloc(5_000_000, 'y'));
    expect((await session.stat('/new')).sizeBytes).toBe(5_000_000);
    expect((await session.stat('/new')).mode).toBe(0o100644);
  });

  it("tells libguestfs's own message and errno", async () => {
    await expect(session.mkdirP('/etc/config/below')).rejects.toMatchObject({
      code: 'GUESTFS_FAILED',
      found: expect.stringContaining('Not a directory') as string,
      details: { call: 'mkdir_p', errno: 20 },
    });
  });

  it('takes calls made at once one after another', async () => {
    const names = await Promise.all([
      session.ls('/etc'),
      session.exists('/empty'),
      session.readlink('/link'),
    ]);
    expect(names).toEqual([['config', 'large'], true, '/etc/config']);
  });

  it('says that the appliance is gone when its qemu dies, and on every call after', async () => {
    for (const pid of appliances()) process.kill(pid, 'SIGKILL');
    await expect(session.ls('/')).rejects.toMatchObject({ code: 'APPLIANCE_FAILED', retryable: true });
    await expect(session.ls('/')).rejects.toMatchObject({ code: 'APPLIANCE_FAILED' });
  });

  it('leaves neither process nor socket when closed', async () => {
    const { socketDirectory } = session;
    expect(socketDirectory).toMatch(/^\/tmp\/libguestfs/);
    await session.close();
    expect(session.alive).toBe(false);
    expect(existsSync(socketDirectory ?? '')).toBe(false);
    expect(appliances()).toEqual([]);
  });
});

describe('an appliance that does not come up', () => {
  it('is stopped at the time limit, with nothing left behind', async () => {
    let told: string | undefined;
    const tooShort = options({
      timeLimits: { launchMs: 4000 },
      onSocketDirectory: (path) => {
        told = path;
        return Promise.resolve();
      },
    });
    await expect(openSession(tooShort)).rejects.toMatchObject({ code: 'TOOL_TIMEOUT', retryable: true });
    expect(await gone(5000)).toBe(true);
    expect(told).toMatch(/^\/tmp\/libguestfs/);
    expect(existsSync(told ?? '')).toBe(false);
  });

  it('is stopped when the step is cancelled', async () => {
    const reason = new Error('cancelled');
    const cancel = new AbortController();
    setTimeout(() => {
      cancel.abort(reason);
    }, 1500);
    await expect(openSession(options({ io: quietIo({ signal: cancel.signal }) }))).rejects.toBe(reason);
    expect(await gone(5000)).toBe(true);
  });

  it('is told apart from a disk that does not exist', async () => {
    const missing = options({ disks: [{ path: join(dir, 'missing'), format: 'raw' }] });
    await expect(openSession(missing)).rejects.toMatchObject({
      code: 'GUESTFS_FAILED',
      found: expect.stringContaining('No such file') as string,
    });
  });
});

describe('the death of the worker', () => {
  it('takes the appliance with it', async () => {
    const script = `
      const { openSession } = await import(${JSON.stringify(new URL('../../../activities/guest/session/open-session.ts', import.meta.url).href)});
      const nothing = () => undefined;
      await openSession({ disks: [{ path: ${JSON.stringify(disk)}, format: 'raw' }], accelerator: 'tcg', readOnly: true,
        tmpDir: ${JSON.stringify(dir)}, onSocketDirectory: async (path) => console.log(path),
        io: { signal: new AbortController().signal, report: nothing, log: { debug: nothing, info: nothing, warn: nothing, error: nothing } } });
    `;
    const worker = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => {
      worker.once('exit', resolve);
    });
    const [told] = (await once(worker.stdout, 'data')) as [Buffer];
    while (appliances().length === 0 && worker.exitCode === null) await sleep(100);
    worker.kill('SIGKILL');
    await ended;
    expect(await gone(5000)).toBe(true);
    // The directory that a killed worker leaves was told early enough to be noted down.
    const sockets = told.toString().trim();
    expect(existsSync(sockets)).toBe(true);
    rmSync(sockets, { recursive: true });
  });
});
