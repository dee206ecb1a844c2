import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { limitedCommand } from '../../activities/host/tool.ts';

/**
 * `vmware`: pvscsi disks and a vmxnet3 card in slot 192, so that Linux sees /dev/sda and ens192.
 * `vmware-nvme`: NVMe disks in place of pvscsi (Debian's UEFI firmware cannot boot from pvscsi).
 * `virtio`: what KVM gives a guest.
 */
export type Hardware = keyof typeof hardware;

export interface MachineOptions {
  /** Raw disks in the guest's order. They are not written to: changes go to a temporary overlay. */
  disks: readonly string[];
  hardware: Hardware;
  firmware?: 'bios' | 'uefi';
  memoryMiB?: number;
  /** Changes are kept in the disks. They must be copies. */
  writable?: boolean;
}

// Without ACPI's hotplug in its way, the PCIe slot number is what udev names the card by.
const vmxnet3 = [
  ...['-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'],
  ...['-device', 'pcie-root-port,id=slot192,chassis=1,slot=192'],
  ...['-device', 'vmxnet3,bus=slot192,netdev=net,romfile='],
];

const hardware = {
  vmware: {
    bus: ['-device', 'pvscsi,id=scsi'],
    disk: (index: number) => `scsi-hd,bus=scsi.0,scsi-id=${index},drive=disk${index}`,
    nic: vmxnet3,
  },
  'vmware-nvme': {
    bus: [],
    disk: (index: number) => `nvme,serial=disk${index},drive=disk${index}`,
    nic: vmxnet3,
  },
  virtio: {
    bus: [],
    disk: (index: number) => `virtio-blk-pci,drive=disk${index}`,
    nic: ['-device', 'virtio-net-pci,netdev=net,romfile='],
  },
} as const;

/**
 * How often a test may boot a guest again. On an overloaded host QEMU's timer comes too late for the check the
 * kernel makes of it under TCG, and the kernel panics: "IO-APIC + timer doesn't work!".
 */
export const bootRetries = 2;

/** How long a guest under TCG may take from a line typed to the next prompt. */
const promptMs = 2_500;
/** Keys in GRUB's menu would stop the boot. */
const quietMs = 20_000;

/** A guest running in QEMU under TCG, its serial port and its keyboard in our hands. */
export class Machine {
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #startedAt = performance.now();

  private constructor(child: ChildProcess, dir: string) {
    this.#child = child;
    this.#dir = dir;
  }

  static async start(options: MachineOptions): Promise<Machine> {
    const dir = await mkdtemp(join(tmpdir(), 'longhaul-guest-'));
    const [command, args] = limitedCommand('qemu-system-x86_64', qemuArgs(options, dir), {});
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const machine = new Machine(child, dir);
    while (machine.#running && !existsSync(join(dir, 'qmp'))) await sleep(50);
    return machine;
  }

  get #running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What came out of the first serial port so far. */
  async serial(): Promise<string> {
    const path = join(this.#dir, 'serial');
    return existsSync(path) ? readFile(path, 'latin1') : '';
  }

  /**
   * Waits until the serial port said something.
   *
   * @returns seconds since the start, or undefined when it was not seen in time
   */
  async says(what: RegExp, timeoutMs: number): Promise<number | undefined> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#running) {
      if (what.test(await this.serial())) return (performance.now() - this.#startedAt) / 1000;
      await sleep(100);
    }
    return undefined;
  }

  /**
   * Signs in on the first virtual console, as somebody at the screen would, and runs a line there. Waits as long
   * as the guest boots: what is typed before there is a prompt is lost, so it is typed again.
   *
   * @param line lower-case letters, digits, space and the signs of `keyNames`; its output should go to /dev/ttyS0
   * @param done what the serial port then says
   * @returns seconds since the start, or undefined when it was not seen in time
   */
  async signInAndRun(
    account: { name: string; password: string },
    line: string,
    done: RegExp,
    timeoutMs: number,
  ): Promise<number | undefined> {
    const deadline = performance.now() + timeoutMs;
    await sleep(Math.max(0, quietMs - (performance.now() - this.#startedAt)));
    while (performance.now() < deadline && this.#running) {
      await this.#press([['ctrl', 'c']]); // ends a sign-in that went wrong half-way
      await sleep(2 * promptMs);
      await this.#type(account.name);
      await sleep(promptMs);
      await this.#type(account.password);
      await sleep(2 * promptMs);
      await this.#type(line);
      const seconds = await this.says(done, 2 * promptMs);
      if (seconds !== undefined) return seconds;
    }
    return undefined;
  }

  #type(line: string): Promise<void> {
    return this.#press([...Array.from(line, (char) => keyNames[char] ?? [char]), ['ret']]);
  }

  #press(chords: readonly (readonly string[])[]): Promise<void> {
    const commands = chords.map((keys) => ({
      execute: 'send-key',
      arguments: { keys: keys.map((data) => ({ type: 'qcode', data })), 'hold-time': 20 },
    }));
    return this.#monitor(commands, 60);
  }

  /** Writes what the screen shows to a PNG file. */
  async screenshot(path: string): Promise<void> {
    await this.#monitor([{ execute: 'screendump', arguments: { filename: path, format: 'png' } }], 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async stop(): Promise<void> {
    if (this.#running) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGKILL');
      await closed;
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Sends QMP commands one after another, `pauseMs` apart. */
  async #monitor(commands: readonly object[], pauseMs: number): Promise<void> {
    const socket = connect(join(this.#dir, 'qmp'));
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    try {
      await lines.next(); // the greeting
      for (const command of [{ execute: 'qmp_capabilities' }, ...commands]) {
        socket.write(`${JSON.stringify(command)}\n`);
        await answerOf(lines);
        await sleep(pauseMs);
      }
    } finally {
      socket.destroy();
    }
  }
}

async function answerOf(lines: AsyncIterator<string>): Promise<void> {
  for (;;) {
    const next = await lines.next();
    if (next.done) throw new Error('QEMU closed its monitor');
    const { value } = next;
    if (value.startsWith('{"error"')) throw new Error(`QEMU refused a command: ${value}`);
    if (value.startsWith('{"return"')) return;
  }
}

function qemuArgs(options: MachineOptions, dir: string): string[] {
  const { bus, disk, nic } = hardware[options.hardware];
  const snapshot = options.writable ? 'off' : 'on';
  const drives = options.disks.flatMap((path, index) => [
    ...['-drive', `if=none,id=disk${index},format=raw,snapshot=${snapshot},file=${path}`],
    ...['-device', `${disk(index)}${index === 0 ? ',bootindex=0' : ''}`],
  ]);
  const firmware =
    options.firmware === 'uefi'
      ? ['-drive', 'if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd']
      : [];
  return [
    ...['-machine', 'q35', '-accel', 'tcg', '-cpu', 'max,la57=off', '-m', String(options.memoryMiB ?? 512)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std'],
    ...firmware,
    ...bus,
    ...drives,
    ...['-netdev', 'user,id=net,restrict=on', ...nic],
    ...['-serial', `file:${join(dir, 'serial')}`],
    ...['-qmp', `unix:${join(dir, 'qmp')},server=on,wait=off`],
  ];
}

/** QEMU's names of the keys whose name is not the character, with the shift key where it takes one. */
const keyNames: Readonly<Record<string, readonly string[]>> = {
  ' ': ['spc'],
  '-': ['minus'],
  '/': ['slash'],
  '.': ['dot'],
  '=': ['equal'],
  ';': ['semicolon'],
  '>': ['shift', 'dot'],
  '&': ['shift', '7'],
  $: ['shift', '4'],
  '?': ['shift', 'slash'],
  S: ['shift', 's'],
};
