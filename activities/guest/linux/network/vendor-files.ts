import type { NicModel } from '../../../../contracts/spec.ts';
import type { Guestfs } from '../../session/guestfs.ts';
import type { PlannedChange } from '../fix.ts';
import { planOwnFile, readGuestText } from '../guest-text.ts';
import type { ReadFile } from './files.ts';
import { readNetworkd } from './networkd.ts';
import { renewDrivers } from './renewal.ts';

const vendorFiles = '/{usr/,}lib/systemd/network/*.network';
const ownFolder = '/etc/systemd/network';
const maxFiles = 40;

/**
 * systemd-networkd's files that came with packages of a cloud and find its cards by their driver. An update of
 * the package would undo an edit, so a copy goes to /etc, where the file of the same name is the one that counts.
 * What /etc replaces already is not looked at.
 */
export async function planVendorFiles(
  guest: Guestfs,
  model: NicModel,
  warnings: string[],
): Promise<{ changes: (PlannedChange | undefined)[]; files: ReadFile[] }> {
  const changes: (PlannedChange | undefined)[] = [];
  const files: ReadFile[] = [];
  const seen = new Set<string>();
  for (const path of (await guest.glob(vendorFiles)).slice(0, maxFiles)) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (seen.has(name)) continue;
    seen.add(name);
    const file = await readGuestText(guest, path, warnings);
    if (file === undefined || !/^[ \t]*Driver[ \t]*=/m.test(file.text)) continue;
    const own = `${ownFolder}/${name}`;
    if ((await guest.exists(own)) || (await guest.isSymlink(own))) continue;
    files.push({ path, file, role: 'config', manager: 'networkd', found: readNetworkd(file.text) });
    const text = vendorOverride(file.text, path, model);
    if (text === undefined) continue;
    const what = `Cards are found by the driver they have now; ${path} knows those of the former cloud alone.`;
    changes.push(await planOwnFile(guest, own, text, what));
  }
  return { changes, files };
}

/** The copy for /etc; undefined where the vendor's file finds the new cards or never found those of a hypervisor. */
export function vendorOverride(text: string, path: string, model: NicModel): string | undefined {
  const renewed = renewDrivers(text, model);
  if (renewed === text) return undefined;
  // Amazon's frame size; what is sent with it is lost on networks with the usual one.
  const kept = renewed
    .split('\n')
    .filter((line) => !/^\s*MTUBytes\s*=\s*9001\s*$/.test(line))
    .join('\n');
  return `# Written by Longhaul: ${path} for the cards of this VM. It replaces that file.\n${kept}`;
}
