import type { Guestfs } from '../session/guestfs.ts';
import { planBootEdit } from './boot-files.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, planText, readGuestText } from './guest-text.ts';
import { serialConsoleArguments } from './kernel-arguments.ts';
import { editInittab, editSecuretty, upstartJob, withoutXenConsole } from './serial-console-text.ts';

const maxParts = 50;

/** A login and kernel messages on the first serial port, where libvirt's console is. */
export const serialConsoleFix: Fix = {
  id: 'serial-console',
  title: 'Login and kernel messages on the serial console',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, options }) {
    if (!options.serialConsole) return { changes: [], warnings: [] };
    const login = await planLogin(guest);
    const boot = await planBootEdit(guest, {
      what: 'Kernel messages go to the first serial port too.',
      // The recovery entry is made from the first variable alone.
      variables: /^GRUB_CMDLINE_LINUX$/,
      // GRUB joins its variables, so one of them with a serial console is enough.
      editorFor: async ({ path, text, warnings }) =>
        path.startsWith('/etc/default/') &&
        (namesSerial.test(text) || (path === '/etc/default/grub' && (await partsNameSerial(guest, warnings))))
          ? (args) => args
          : serialConsoleArguments,
    });
    return { changes: [...login.changes, ...boot.changes], warnings: [...login.warnings, ...boot.warnings] };
  },
};

const namesSerial = /^[^#\n]*console=ttyS/m;

/** Images for clouds set it in a file of their own, which is read after the distribution's. */
async function partsNameSerial(guest: Guestfs, warnings: string[]): Promise<boolean> {
  for (const path of (await guest.glob('/etc/default/grub.d/*.cfg')).slice(0, maxParts)) {
    if (namesSerial.test((await readGuestText(guest, path, warnings))?.text ?? '')) return true;
  }
  return false;
}

async function planLogin(guest: Guestfs): Promise<{ changes: PlannedChange[]; warnings: string[] }> {
  const warnings: string[] = [];
  const found = (...changes: (PlannedChange | undefined)[]) => ({
    changes: changes.filter((change) => change !== undefined),
    warnings,
  });
  for (const units of ['/usr/lib/systemd/system', '/lib/systemd/system']) {
    const unit = `${units}/serial-getty@.service`;
    if (await guest.exists(unit)) return { changes: await planSystemd(guest, unit), warnings };
  }
  const inittab = await readGuestText(guest, '/etc/inittab', warnings);
  if (inittab !== undefined && !(await guest.isDir('/etc/init'))) {
    const edited = editInittab(inittab.text, await gettyOf(guest));
    return found(planText(inittab, edited, waits), await planSecuretty(guest, warnings));
  }
  for (const job of ['/etc/init/hvc0.conf', '/etc/init/xvc0.conf']) {
    const file = await readGuestText(guest, job, warnings);
    if (file !== undefined) return found(planText(file, withoutXenConsole(file.text), waits));
  }
  if (await guest.isFile('/etc/init/tty1.conf')) {
    return found(await planOwnFile(guest, '/etc/init/ttyS0.conf', upstartJob, waits));
  }
  // RHEL 6 starts one by itself on the consoles of the kernel command line.
  if (await guest.isFile('/etc/init/serial.conf')) return found();
  warnings.push('No known init system was found, so no login was set up on the serial console.');
  return found();
}

const waits = 'A login waits on the first serial port.';

/** Red Hat and SUSE call it agetty; Debian has both names, busybox getty alone. */
async function gettyOf(guest: Guestfs): Promise<string> {
  return (await guest.isFile('/sbin/agetty')) ? '/sbin/agetty' : '/sbin/getty';
}

async function planSecuretty(guest: Guestfs, warnings: string[]): Promise<PlannedChange | undefined> {
  const file = await readGuestText(guest, '/etc/securetty', warnings);
  const what = 'Root may sign in on the first serial port, as on the Xen console before.';
  return file && planText(file, editSecuretty(file.text), what);
}

const wants = '/etc/systemd/system/getty.target.wants';

async function planSystemd(guest: Guestfs, unit: string): Promise<PlannedChange[]> {
  const changes: PlannedChange[] = [];
  for (const gone of ['hvc0', 'xvc0']) {
    const link = `${wants}/serial-getty@${gone}.service`;
    if (!(await guest.isSymlink(link))) continue;
    changes.push({
      path: link,
      what: `The login on ${gone} goes, with the Xen console it waits for.`,
      apply: (session) => session.rmF(link),
    });
  }
  const masked = await guest.isSymlink('/etc/systemd/system/serial-getty@ttyS0.service');
  const link = `${wants}/serial-getty@ttyS0.service`;
  if (!masked && !(await guest.isSymlink(link)) && !(await guest.exists(link))) {
    changes.push({
      path: link,
      what: waits,
      after: `-> ${unit}`,
      apply: async (session) => {
        await session.mkdirP(wants);
        await session.symlink(unit, link);
      },
    });
  }
  return changes;
}
