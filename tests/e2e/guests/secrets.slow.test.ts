import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, statSync, type Dirent } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { run } from '../../guests/lib/run.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';
import { ext4Disk, writeLinuxTree } from '../../support/guest-trees.ts';

/**
 * Where keys of encrypted disks must never be seen while a migration uses them: arguments and environments of
 * any process, files, logs, workflow history, reports. With umask 0, so that modes are ours and not the shell's.
 */

const marks = {
  wrong: randomBytes(12).toString('hex'),
  binary: randomBytes(12).toString('hex'),
};
/** As a passphrase with what could confuse a parser, and as a key file that is no text. */
const keys = {
  wrong: Buffer.from(`p:${marks.wrong}:'"`),
  binary: Buffer.concat([Buffer.from([0, 0xff, 0x0a]), Buffer.from(marks.binary), Buffer.from([0x0a])]),
};
/** The forms in which they could lie around: as they are, and as JSON, Temporal and logs encode bytes. */
const traces = [
  ...Object.values(marks),
  ...Object.values(keys).flatMap((key) => [key.toString('hex'), key.toString('base64').slice(0, -4)]),
].map((text) => Buffer.from(text));

const umask = process.umask(0);
const directory = mkdtempSync('/var/tmp/longhaul-secrets-');
const keyFiles = { wrong: join(directory, 'keys-wrong'), binary: join(directory, 'keys-binary') };
const image = join(directory, 'encrypted.raw');
let host: LonghaulHost;

beforeAll(async () => {
  await chmod(directory, 0o711);
  for (const name of ['wrong', 'binary'] as const)
    await writeFile(keyFiles[name], keys[name], { mode: 0o600 });
  await encryptedGuest(image);
  host = await LonghaulHost.start(join(directory, 'host'));
});
afterAll(async () => {
  // Not there when the migration failed.
  const undefine = ['--connect', 'qemu:///system', 'undefine', '--nvram', 'sealed'];
  await run('virsh', undefine, { acceptExitCodes: [1] });
  await host.stop();
  await rm(directory, { recursive: true });
  process.umask(umask);
});

/** The tree of a Debian system on ext4 in a LUKS2 container that takes up the whole disk. */
async function encryptedGuest(path: string): Promise<void> {
  const plain = `${path}.plain`;
  await ext4Disk(plain, (root) =>
    writeLinuxTree(root, {
      hostname: 'sealed',
      fstab: ['/dev/mapper/sda_crypt / ext4 defaults 0 1'],
      files: { 'etc/crypttab': 'sda_crypt /dev/sda none luks\n' },
    }),
  );
  // Encrypts in place into space that is added in front, without any device of the host's kernel.
  await run('truncate', ['-s', '+32M', plain]);
  const cheap = ['--pbkdf', 'argon2id', '--pbkdf-force-iterations', '4', '--pbkdf-memory', '32'];
  const encrypt = ['reencrypt', '--encrypt', '--batch-mode', '--type', 'luks2', ...cheap];
  await run('cryptsetup', [...encrypt, '--reduce-device-size', '32M', '--key-file', keyFiles.binary, plain]);
  await run('mv', [plain, path]);
}

/** Places where a trace of a key shows. */
const seen = new Set<string>();
const note = (where: string, content: Buffer) => {
  if (traces.some((trace) => content.includes(trace))) seen.add(where);
};

function filesBelow(path: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    // Removed meanwhile.
    return [];
  }
  return entries.flatMap((entry) => {
    const child = join(path, entry.name);
    return entry.isDirectory() ? filesBelow(child) : entry.isFile() ? [child] : [];
  });
}

function searchFiles(path: string, maxBytes: number): void {
  for (const file of filesBelow(path)) {
    try {
      if (statSync(file).size <= maxBytes) note(file, readFileSync(file));
    } catch {
      // Removed meanwhile.
    }
  }
}

function searchProcesses(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const what of ['cmdline', 'environ']) {
      try {
        note(`${what} of ${pid}`, readFileSync(`/proc/${pid}/${what}`));
      } catch {
        // Ended meanwhile.
      }
    }
  }
}

describe('keys of encrypted disks', () => {
  it('are seen in no argument, environment, file, log, history or report, under umask 0', async () => {
    const luksKeys = `guest.luksKeys=[{key: "file:${keyFiles.wrong}"}, {keyFile: "file:${keyFiles.binary}"}]`;
    const course = { ended: false };
    const migration = host
      .migrate('sealed', [image], ['--set', luksKeys, '--set', 'policy.verifyBoot=false'])
      .finally(() => (course.ended = true));
    let rounds = 0;
    while (!course.ended) {
      searchProcesses();
      searchFiles(host.directory, 4 * 1024 * 1024);
      rounds++;
      await Promise.race([sleep(50), migration.catch(() => undefined)]);
    }
    const report: MigrationReport = await migration.catch((error: unknown) => {
      throw new Error(`the migration failed: ${host.printed.slice(-4000)}`, { cause: error });
    });
    expect(report.status).toBe('completed');
    expect(report.facts).toMatchObject({ hostname: 'sealed', root: { device: '/dev/mapper/sda_crypt' } });
    expect(rounds).toBeGreaterThan(20);

    note('the report', Buffer.from(JSON.stringify(report)));
    note('what the worker printed', Buffer.from(host.printed));
    searchFiles(host.directory, Infinity);
    expect([...seen]).toEqual([]);
    // The search itself works: the history is there, and says by which reference the disk was opened.
    const history = filesBelow(host.directory).filter((file) => readFileSync(file).includes(keyFiles.binary));
    expect(history.some((file) => file.includes('temporal.db'))).toBe(true);
  });

  it('lie beside files that only their owner can read', () => {
    const open = filesBelow(join(host.directory, 'state')).filter(
      (file) => (statSync(file).mode & 0o077) !== 0,
    );
    const stateMode = statSync(join(host.directory, 'state')).mode & 0o777;
    expect([stateMode, stateMode === 0o700 ? [] : open]).toEqual([0o700, []]);
  });
});
