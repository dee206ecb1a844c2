import { LonghaulError } from '../../../contracts/errors.ts';
import type { CallName } from './calls.ts';

/** Calls made before there is an appliance; a failure of theirs is no sign that it died. */
const beforeLaunch: readonly string[] = [
  'set_backend',
  'set_backend_setting',
  'set_tmpdir',
  'set_memsize',
  'set_network',
  'add_drive_opts',
];

/** What follows is libguestfs's general advice on reporting its bugs. */
const advice =
  /\s*(To see full error messages you may need|This usually means the libguestfs appliance)[^]*$/;

const remedies: [pattern: RegExp, remedy: string][] = [
  [
    /No space left on device|disk full/i,
    'Free space in /var/tmp, where the appliance is built, and in the state directory; then retry.',
  ],
  [
    /cannot allocate memory|out of memory|cannot set up guest memory/i,
    'The host has too little free memory for the appliance: run fewer migrations at once, then retry.',
  ],
  [
    /supermin/i,
    'The appliance could not be built: a kernel must be installed and readable in /boot with its modules in /lib/modules, and /var/tmp be writable. `libguestfs-test-tool` shows the details.',
  ],
  [
    /kvm/i,
    'Set target.accelerator to tcg when KVM does not work on this host; `longhaul doctor` tests it. Then retry.',
  ],
];

const generalRemedy =
  'Retry. If it fails again, `libguestfs-test-tool` shows where the appliance stops; on hosts where KVM misbehaves set target.accelerator to tcg.';

/** The appliance or the process that holds it did not start, or is gone. `consoleTail`: what it last printed. */
export function applianceFailed(what: string, consoleTail: string): LonghaulError {
  const lastWords = consoleTail.trim().split('\n').slice(-5).join(' | ');
  const found = lastWords === '' ? what : `${what}; the appliance last printed: ${lastWords}`;
  return new LonghaulError('APPLIANCE_FAILED', {
    found,
    remedy: remedies.find(([pattern]) => pattern.test(found))?.[1] ?? generalRemedy,
  });
}

/** The typed error of a failed call: libguestfs's own message, and errno when the appliance gave one. */
export function callFailed(
  name: CallName | 'start',
  failure: { message: string; errno: number; ready: boolean },
  consoleTail: string,
): LonghaulError {
  const message = failure.message.replace(advice, '');
  if (!failure.ready && !beforeLaunch.includes(name)) return applianceFailed(message, consoleTail);
  return new LonghaulError('GUESTFS_FAILED', {
    found: message,
    remedy: "The message is libguestfs's own; it names what in the guest could not be read or changed.",
    details: { call: name, errno: failure.errno },
  });
}
