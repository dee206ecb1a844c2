import { writeFiles } from '../lib/debian.ts';
import { run } from '../lib/run.ts';

const mark = 'matrix-proof';

/**
 * A unit that says on the first serial port, before anybody can log in there, what the guest has mounted, its
 * addresses, its kernel's command line and which units failed. It waits for the address a while, and says
 * what there is.
 */
export async function installProof(tree: string): Promise<void> {
  await writeFiles(tree, {
    'usr/local/sbin/matrix-proof': [
      '#!/bin/sh',
      'for second in $(seq 90); do',
      '  ip -brief -4 address show scope global | grep -q . && break',
      '  sleep 1',
      'done',
      'exec > /dev/ttyS0',
      'echo',
      `findmnt --noheadings --list --output TARGET,SOURCE,FSTYPE --real | sed 's/^/${mark} mount /'`,
      `swapon --noheadings --show=NAME,TYPE | sed 's/^/${mark} swap /'`,
      `ip -brief -4 address show scope global | sed 's/^/${mark} address /'`,
      `systemctl list-units --failed --plain --no-legend | sed 's/^/${mark} failed /'`,
      `sed 's/^/${mark} cmdline /' /proc/cmdline`,
      `echo '${mark} end'`,
    ],
    'etc/systemd/system/matrix-proof.service': [
      '[Unit]',
      'Description=Say what this guest is',
      'Before=getty.target serial-getty@ttyS0.service multi-user.target',
      'After=local-fs.target swap.target',
      '[Service]',
      'Type=oneshot',
      'ExecStart=/usr/local/sbin/matrix-proof',
      '[Install]',
      'WantedBy=multi-user.target',
    ],
  });
  await run('chmod', ['0755', `${tree}/usr/local/sbin/matrix-proof`]);
}

/** What a guest said of itself. */
export interface Proof {
  mounts: { path: string; source: string; type: string }[];
  swaps: string[];
  addresses: { card: string; address: string }[];
  failedUnits: string[];
  commandLine: string;
}

/** Reads the unit's word out of a console log; undefined when it did not come to its end. */
export function readProof(consoleLog: string): Proof | undefined {
  const lines = consoleLog.split(/\r?\n/).map((line) => line.trim());
  if (!lines.includes(`${mark} end`)) return undefined;
  const words = (about: string) =>
    lines.filter((line) => line.startsWith(`${mark} ${about} `)).map((line) => line.split(/\s+/).slice(2));
  return {
    mounts: words('mount').map(([path = '', source = '', type = '']) => ({ path, source, type })),
    swaps: words('swap').map(([name = '']) => name),
    addresses: words('address').flatMap(([card = '', , ...all]) => all.map((address) => ({ card, address }))),
    failedUnits: words('failed').map(([unit = '']) => unit),
    commandLine: words('cmdline')[0]?.join(' ') ?? '',
  };
}
