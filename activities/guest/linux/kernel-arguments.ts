import type { DeviceMap } from './device-map.ts';
import { renamed } from './fstab-text.ts';

/** Edits the arguments of one kernel command line; the same text back means nothing to do. */
export type ArgumentsEditor = (args: string) => string;

/** Names the devices of root= and resume= in a way that survives the move. */
export function stableDevices(
  map: DeviceMap,
  prefer: 'uuid' | 'partuuid',
  where: string,
  warnings: string[],
): ArgumentsEditor {
  return (args) => {
    // With an offset the memory is in a swap file, on whatever file system.
    const swapFile = /(^|\s)resume_offset=/.test(args);
    return args.replace(
      /(^|[\s"'])(root|resume)=(\/dev\/[^\s"'\\$]+)/g,
      (whole, lead: string, key: string, device: string) => {
        // A bus path says nothing of where the disk is now, but the root file system is known.
        const expected =
          key === 'resume'
            ? swapFile
              ? {}
              : { fsType: 'swap' }
            : { isRoot: device.startsWith('/dev/disk/') };
        const name = renamed(device, map, { ...expected, prefer }, `${key}=${device} in ${where}`, warnings);
        return name === undefined ? whole : `${lead}${key}=${name}`;
      },
    );
  };
}

const serialConsole = 'console=ttyS0,115200';
const xenConsole = /(^|[\s"'])console=(?:hvc|xvc)\d+(?:,\S*)?(?=$|[\s"'])/g;

/**
 * Kernel messages on the first serial port as well as on the screen. The screen's console stays the last
 * one named, so that /dev/console, and with it a question for a passphrase, stays where it was.
 */
export function serialConsoleArguments(args: string): string {
  if (/(^|[\s"'])console=ttyS\d/.test(args)) return args;
  const bare = args.replace(xenConsole, (_whole, lead: string) => lead.trim()).trimEnd();
  const screen = /(^|[\s"'])(console=tty\d+)(?=$|[\s"'])/.exec(bare);
  if (screen) {
    const at = screen.index + (screen[1]?.length ?? 0);
    return `${bare.slice(0, at)}${serialConsole} ${bare.slice(at)}`;
  }
  return `${bare}${bare === '' || /\s$/.test(bare) ? '' : ' '}${serialConsole} console=tty0`;
}
