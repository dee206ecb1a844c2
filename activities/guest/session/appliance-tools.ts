import { randomUUID } from 'node:crypto';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Arguments, CallName, Returned } from './calls.ts';
import type { FileSystemCheck } from './guestfs.ts';

/**
 * What needs programs of the appliance that libguestfs has no call for. They run by `debug sh`, outside the
 * guest's tree. No text of a guest or of a person goes into a command: names are checked, paths looked up.
 */

export type ApplianceCalls = <Name extends CallName>(
  name: Name,
  args: Arguments<Name>,
  limitMs?: number,
) => Promise<Returned<Name>>;

/** libguestfs takes a key as a C string in one message of at most 4 MiB. */
const maxTextKeyBytes = 1024 * 1024;
const writeBytes = 1024 * 1024;
const saidChars = 400;
/** A mapper name that needs no quotes anywhere, dmsetup(8); the kernel allows 127 characters. */
const mapperName = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,126}$/;

export function passesAsText(key: Uint8Array): boolean {
  return key.length <= maxTextKeyBytes && !key.includes(0);
}

/**
 * As libguestfs names disks after their order, and the kernel of the appliance in whatever order it finds them.
 * The appliance has no awk: that is a link of /etc/alternatives, which are not in it.
 */
const realDevice =
  'while read -r source target rest; do [ "$target" != /sysroot ] || echo "$source"; done </proc/mounts | tail -n 1';

/**
 * Opens a container with a key of any bytes: it is written to a tmpfs in the appliance's memory, which is
 * gone when this returns. cryptsetup(8) --key-file takes every byte of it.
 */
export async function openWithKeyFile(
  call: ApplianceCalls,
  device: string,
  key: Uint8Array,
  name: string,
): Promise<void> {
  requireMapperName(name);
  // The kernel ignores the device of a tmpfs, and what /proc/mounts says of it is the container's real name.
  await call('mount_vfs', ['mode=0700', 'tmpfs', device, '/']);
  const path = `/${randomUUID()}`;
  try {
    await call('write', [path, key.subarray(0, writeBytes)]);
    for (let offset = writeBytes; offset < key.length; offset += writeBytes)
      await call('write_append', [path, key.subarray(offset, offset + writeBytes)]);
    const open = `cryptsetup --key-file /sysroot${path} open "$(${realDevice})" ${name} --type luks`;
    await call('debug', ['sh', [`${open} && udevadm settle`]]);
  } finally {
    await call('umount_all', []);
  }
}

/** lvs(8): thick and thin snapshots have an origin, which lies in their own group. */
export async function lvOrigins(call: ApplianceCalls): Promise<Map<string, string>> {
  const fields = 'lvm lvs --noheadings --separator / -o vg_name,lv_name,origin';
  return originsIn(await call('debug', ['sh', [fields]]));
}

/** Lines of `GROUP/VOLUME/ORIGIN`; names of LVM hold no slash, and hidden origins stand in brackets. */
export function originsIn(lines: string): Map<string, string> {
  const origins = new Map<string, string>();
  for (const line of lines.split('\n')) {
    const [group = '', volume = '', origin = ''] = line.trim().split('/');
    const [name] = /[^[\]]+/.exec(origin) ?? [];
    if (name !== undefined && volume !== '') origins.set(`/dev/${group}/${volume}`, `/dev/${group}/${name}`);
  }
  return origins;
}

export async function renameMapped(call: ApplianceCalls, name: string, newName: string): Promise<void> {
  requireMapperName(name);
  requireMapperName(newName);
  await call('debug', ['sh', [`dmsetup rename ${name} ${newName} && udevadm settle`]]);
}

/** Exit codes: e2fsck(8) 4 and more is not sound; xfs_repair(8) -n 1 is damage; timeout(1) 124. */
export async function checkFileSystem(
  call: ApplianceCalls,
  { mountpoint, fsType, limitSeconds }: { mountpoint: string; fsType: string; limitSeconds: number },
): Promise<FileSystemCheck> {
  const program = /^ext[234]$/.test(fsType) ? 'e2fsck -fn' : fsType === 'xfs' ? 'xfs_repair -n' : undefined;
  if (program === undefined) return { verdict: 'unchecked', said: `${fsType} is not checked` };
  const device = await mountedDevice(call, mountpoint);
  if (device === undefined) return { verdict: 'unchecked', said: `nothing is mounted at ${mountpoint}` };
  const script = `said=$(timeout ${limitSeconds} ${program} ${device} 2>&1 </dev/null); code=$?; echo "$code"; echo "$said" | head -c 65536`;
  const answer = await call('debug', ['sh', [script]], (limitSeconds + 60) * 1000);
  const [code = '', ...lines] = answer.split('\n');
  const said = wordsOf(lines);
  if (code === '0') return { verdict: 'sound', said };
  const damaged = program.startsWith('e2fsck') ? code === '4' || code === '12' : code === '1';
  if (damaged) return { verdict: 'damaged', said };
  return { verdict: 'unchecked', said: code === '124' ? `no answer within ${limitSeconds} s` : said };
}

/** The kernel's own name of what is mounted, from proc(5) mounts; spaces in paths are octal there. */
async function mountedDevice(call: ApplianceCalls, mountpoint: string): Promise<string | undefined> {
  const path = mountpoint === '/' ? '/sysroot' : `/sysroot${mountpoint}`;
  const written = path.replace(
    /[\\ \t\n]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  for (const line of (await call('debug', ['sh', ['cat /proc/mounts']])).split('\n').reverse()) {
    const [device = '', at] = line.split(' ');
    if (at === written && /^\/dev\/[A-Za-z0-9/_.+-]+$/.test(device)) return device;
  }
  return undefined;
}

/** What the program found, without its progress ("Pass 1: ...", "Phase 2 - ...") and without asking. */
function wordsOf(lines: readonly string[]): string {
  const telling = lines
    .map((line) => line.replace(/\p{Cc}+/gu, ' ').trim())
    .filter(
      (line) => line !== '' && !/^(e2fsck \d|Warning|Pass \d|Phase \d|- |\d+ \w+ .*%|No modify)/.test(line),
    );
  return telling.slice(0, 4).join('; ').slice(0, saidChars);
}

function requireMapperName(name: string): void {
  if (mapperName.test(name)) return;
  throw new LonghaulError('GUESTFS_FAILED', {
    found: `${JSON.stringify(name)} is no name for an opened container`,
    remedy: 'Use letters, digits and _ . + - in the first field of /etc/crypttab in the source VM.',
  });
}
