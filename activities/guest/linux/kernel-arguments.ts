import type { DeviceMap } from './device-map.ts';
import { mentionsMovingDevice } from './device-names.ts';
import { renamed } from './fstab-text.ts';

/** Edits the arguments of one kernel command line; the same text back means nothing to do. */
export type ArgumentsEditor = (args: string) => string;

/**
 * Names the devices of root= and resume=, and of mkinitcpio's cryptdevice= and cryptkey=, in a way that
 * survives the move, and says which others are named.
 */
export function stableDevices(
  map: DeviceMap,
  prefer: 'uuid' | 'partuuid',
  where: string,
  warnings: string[],
): ArgumentsEditor {
  return (args) => {
    warnings.push(...otherDevices(args).map((word) => `${word} in ${where} names a device that may move.`));
    // With an offset the memory is in a swap file, on whatever file system.
    const swapFile = /(^|\s)resume_offset=/.test(args);
    const crypt = args.replace(
      /(^|[\s"'])(cryptdevice|cryptkey)=(\/dev\/[^\s"'\\$:]+)(?=:|$|[\s"'])(?::([a-z]\w*)(?=:))?/g,
      (whole, lead: string, key: string, device: string, second?: string) => {
        // Behind the device stand the container's name, or the type of the file system that has the key.
        const fsType = key === 'cryptdevice' ? 'crypto_LUKS' : second;
        const expected = fsType === undefined ? {} : { fsType };
        const name = renamed(device, map, expected, `${key}=${device} in ${where}`, warnings);
        return name === undefined
          ? whole
          : `${lead}${key}=${name}${second === undefined ? '' : `:${second}`}`;
      },
    );
    return crypt.replace(
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

const maxOthers = 4;

/** Words that name a device by a way that moves, for a purpose of their own: a log, a key, a module's option. */
function otherDevices(args: string): string[] {
  return args
    .split(/[\s"']+/)
    .filter((word) => mentionsMovingDevice(word) && !/^(root|resume|cryptdevice|cryptkey)=/.test(word))
    .slice(0, maxOthers)
    .map((word) => word.slice(0, 80));
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
