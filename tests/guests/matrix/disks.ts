import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDisk, makeExt4, makeSwap } from '../lib/disk.ts';
import { luksHeaderBytes, makeLuks, type LuksContainer } from '../lib/luks.ts';
import { makeVolumeGroup } from '../lib/lvm.ts';
import { makeMounted, placeImage } from '../lib/mounted.ts';
import { makeMirror, mirrorDataOffsetBytes } from '../lib/raid.ts';
import { run } from '../lib/run.ts';
import { hasVolumeGroup, isEncrypted, luksKeyFile, luksPassphrase, type MatrixGuest } from './guest.ts';
import { diskLayouts, rootBytes, slotOf, slotsOf, volumeBytes } from './layout.ts';
import { hasBoot, mirrorName, subvolume, uuids, volumeGroup } from './names.ts';
import { makeWideXfs } from './wide-xfs.ts';

/** Where things lie: a disk and bytes from its start. */
interface Place {
  disk: string;
  offsetBytes: number;
}

/** The places of what a guest has inside its system partition, or beside it. */
interface Places {
  /** Where the root file system's storage lies: one place, or one for each half of a mirror. */
  root: Place[];
  swap: Place;
  srv: Place;
}

/** Creates the disks with their tables and what lies between partitions and file systems. */
export async function makeDisks(disks: readonly string[], guest: MatrixGuest): Promise<Places> {
  for (const [index, layout] of diskLayouts(guest).entries()) await createDisk(disks[index] ?? '', layout);
  const at = (slot: { disk: number; offsetBytes: number }, more = 0): Place => ({
    disk: disks[slot.disk] ?? '',
    offsetBytes: slot.offsetBytes + more,
  });
  const systems = slotsOf(guest).filter(({ role }) => role === 'system');
  const [system] = systems;
  if (system === undefined) throw new Error('no disk has a system partition');
  if (hasVolumeGroup(guest)) {
    const volumes = [
      { name: 'root', sizeBytes: rootBytes },
      { name: 'swap', sizeBytes: volumeBytes.swap },
      { name: 'srv', sizeBytes: volumeBytes.srv },
    ];
    const starts = await makeVolumeGroup(disks[0] ?? '', system, volumeGroup, volumes);
    const volume = (name: string) => at(system, starts.get(name) ?? Number.NaN);
    return { root: [volume('root')], swap: volume('swap'), srv: volume('srv') };
  }
  const [swap, srv] = [at(slotOf(guest, 'swap')), at(slotOf(guest, 'srv'))];
  if (guest.storage !== 'md1') return { root: [at(system)], swap, srv };
  const members = systems.map((slot) => ({ ...at(slot), sizeBytes: slot.sizeBytes }));
  await makeMirror({ uuid: uuids.mirror, name: mirrorName(guest), members });
  return { root: systems.map((slot) => at(slot, mirrorDataOffsetBytes)), swap, srv };
}

/** Bytes that the root file system has. */
function fileSystemBytes(guest: MatrixGuest): number {
  if (isEncrypted(guest)) return rootBytes - luksHeaderBytes(guest.storage === 'luks1' ? 1 : 2);
  return guest.storage === 'md1' ? rootBytes - mirrorDataOffsetBytes : rootBytes;
}

/** A container as large as the guest's, whose content does not matter: for what looks at its header. */
export async function makeHeader(path: string, guest: MatrixGuest): Promise<void> {
  if (!isEncrypted(guest)) return;
  const empty = `${path}.empty`;
  for (const file of [path, empty]) await (await open(file, 'wx')).close();
  const headerBytes = luksHeaderBytes(guest.storage === 'luks1' ? 1 : 2);
  await run('truncate', ['--size', '1M', empty]);
  await makeLuks(
    { ...container(guest, { disk: path, offsetBytes: 0 }), sizeBytes: headerBytes + 1024 * 1024 },
    empty,
  );
  await rm(empty);
}

const container = (guest: MatrixGuest, place: Place): LuksContainer => ({
  version: guest.storage === 'luks1' ? 1 : 2,
  uuid: uuids.luks,
  keys: [luksPassphrase, luksKeyFile],
  ...place,
  sizeBytes: rootBytes,
});

/** Fills the disks from the guest's tree, which loses its /boot to a partition of its own where it has one. */
export async function fillDisks(
  dir: string,
  places: Places,
  tree: string,
  guest: MatrixGuest,
  disk: string,
): Promise<void> {
  await makeSwap(places.swap.disk, { ...places.swap, sizeBytes: volumeBytes.swap, uuid: uuids.swap });
  const srv = join(dir, 'srv');
  await mkdir(srv);
  await writeFile(join(srv, 'kept'), 'a file of its own\n');
  await makeExt4(places.srv.disk, { ...places.srv, sizeBytes: volumeBytes.srv, uuid: uuids.srv, from: srv });
  await rm(srv, { recursive: true });
  if (hasBoot(guest)) {
    const boot = join(dir, 'boot');
    await run('mv', [join(tree, 'boot'), boot]);
    await mkdir(join(tree, 'boot'));
    const { offsetBytes, sizeBytes } = slotOf(guest, 'boot');
    await makeExt4(disk, { offsetBytes, sizeBytes, uuid: uuids.boot, from: boot });
    await rm(boot, { recursive: true });
  }
  await fillRoot(dir, places.root, tree, guest);
}

async function fillRoot(
  dir: string,
  places: readonly Place[],
  tree: string,
  guest: MatrixGuest,
): Promise<void> {
  const image = join(dir, 'root.img');
  const fs = { sizeBytes: fileSystemBytes(guest), uuid: uuids.root, from: tree };
  if (guest.fs === 'ext4') {
    await run('truncate', ['--size', fs.sizeBytes.toString(), image]);
    await makeExt4(image, { ...fs, offsetBytes: 0 });
  } else if (guest.fs === 'xfs' && guest.storage === 'luks2-lvm') {
    await makeWideXfs(image, fs);
  } else {
    const options = guest.fs === 'btrfs' ? { subvolume } : {};
    await makeMounted(image, { ...fs, type: guest.fs, ...options });
  }
  for (const place of places) {
    if (isEncrypted(guest)) await makeLuks(container(guest, place), image);
    else await placeImage(place.disk, place.offsetBytes, image);
  }
  await rm(image);
}
