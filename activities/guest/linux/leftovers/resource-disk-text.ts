/** What cloud-init and the Azure agent write for disks that a cloud lends and empties at each stop. */
const lentDevice = /^\/dev\/disk\/(cloud\/azure_|azure\/)resource(-part\d+)?$/;
const note = '# Lent by the former cloud, not migrated: ';

/**
 * Comments out the lines of /etc/fstab for a cloud's temporary disk. A line counts only when it says itself
 * what it is for: by Azure's device link, or by cloud-init's mark on a mount below /mnt.
 *
 * @param present mount points whose lines stay unless they name Azure's link: a disk for them was migrated
 */
export function dropLentDisks(text: string, present: readonly string[]): string {
  return text
    .split('\n')
    .map((line) => (isLent(line, present) ? `${note}${line}` : line))
    .join('\n');
}

/** The mark of cloud-init on lines it wrote, cc_mounts. */
export const cloudMark = 'comment=cloudconfig';

function isLent(line: string, present: readonly string[]): boolean {
  const [device = '', path = '', , options = ''] = line.trim().split(/\s+/);
  if (lentDevice.test(device)) return true;
  const marked = device.startsWith('/dev/') && options.split(',').includes(cloudMark);
  return marked && /^\/mnt(\/resource|\/ephemeral\d*)?$/.test(path) && !present.includes(path);
}
