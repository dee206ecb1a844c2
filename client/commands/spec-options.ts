import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Setting } from '../settings.ts';

/** The options of `migrate` and `plan` that set places of the spec, as commander parses them. */
interface SpecFlags {
  name?: string;
  targetDir?: string;
  pool?: string;
  host?: string;
  label?: string[];
  format?: string;
  firmware?: string;
  cpus?: number;
  memory?: number;
  network?: string[];
  mac?: string[];
  verify?: boolean;
  verifyBoot?: boolean;
  onFailure?: string;
  set?: string[];
}

/** Gathers an option that may be given several times. */
export const collect = (value: string, all: string[] = []) => [...all, value];

/** Adds the options that stand for the common places of the spec. */
export function addSpecOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name of the libvirt domain (default: from the first image)')
    .option('--host <id>', 'KVM host that is to own the VM (default: any with room)')
    .option('--label <label>', 'only a KVM host with this label; repeatable', collect)
    .option('--target-dir <dir>', 'directory of the new disks')
    .option('--pool <name>', 'libvirt storage pool of the new disks, in place of --target-dir')
    .addOption(new Option('--format <format>', 'format of the new disks').choices(['qcow2', 'raw']))
    .addOption(new Option('--firmware <kind>', 'firmware of the domain').choices(['auto', 'bios', 'uefi']))
    .option('--cpus <count>', 'virtual CPUs', wholeNumber)
    .option('--memory <size>', 'memory in MiB, or with a unit: 512M, 4G', memoryMiB)
    .option('--network <[src=]dst>', 'source network to libvirt network or bridge:NAME; repeatable', collect)
    .option('--mac <mac[@network]>', 'a NIC of the VM, in their order; repeatable', collect)
    .option('--no-verify', 'take an archive that is not what its manifest says')
    .option('--no-verify-boot', 'do not prove that the result boots')
    .addOption(
      new Option('--on-failure <what>', 'wait for a decision, or undo and end').choices(['park', 'fail']),
    )
    .option(
      '--set <key=value>',
      'any place of the spec, for example target.compression=zstd; repeatable',
      collect,
    );
}

/** The places of the spec that the options name, in an order where --set has the last word. */
export async function settingsOf(flags: SpecFlags): Promise<Setting[]> {
  const settings: Setting[] = [];
  const put = (key: string, value: unknown) => {
    if (value !== undefined) settings.push({ path: key.split('.'), value });
  };
  put('name', flags.name);
  put('target.host', flags.host);
  put('target.labels', flags.label);
  // One takes the place of the other, also when a spec file names it.
  if (flags.targetDir !== undefined) settings.push({ path: ['target', 'pool'], value: undefined });
  if (flags.pool !== undefined) settings.push({ path: ['target', 'directory'], value: undefined });
  put('target.directory', flags.targetDir);
  put('target.pool', flags.pool);
  put('target.format', flags.format);
  put('target.firmware', flags.firmware);
  put('target.cpus', flags.cpus);
  put('target.memoryMiB', flags.memory);
  for (const map of flags.network ?? []) settings.push(networkSetting(map));
  for (const [index, text] of (flags.mac ?? []).entries()) {
    const [mac, network] = text.split('@', 2);
    settings.push({
      path: ['source', 'nics', index],
      value: { mac, ...(network === undefined ? {} : { network }) },
    });
  }
  if (flags.verify === false) put('source.verify', false);
  if (flags.verifyBoot === false) put('policy.verifyBoot', false);
  put('policy.onFailure', flags.onFailure);
  return [...settings, ...(await parsedSettings(flags.set ?? []))];
}

function networkSetting(map: string): Setting {
  const at = map.indexOf('=');
  const source = at < 0 ? 'default' : map.slice(0, at);
  return { path: ['target', 'networks', source], value: map.slice(at + 1) };
}

/** What was given to --set. The YAML parser is loaded only when there is something to parse. */
export async function parsedSettings(texts: readonly string[]): Promise<Setting[]> {
  if (texts.length === 0) return [];
  const { parseSetting } = await import('../settings.ts');
  return texts.map(parseSetting);
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1.');
  return Number(text);
}

/** `2048`, `2048M`, `2048MiB`, `2G`, `2GiB`: MiB. */
function memoryMiB(text: string): number {
  const match = /^(\d{1,8})(M|MiB|G|GiB)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('Give MiB, or a number with M or G: 2048, 512M, 4G.');
  const factor = match[2]?.toUpperCase().startsWith('G') === true ? 1024 : 1;
  return Number(match[1]) * factor;
}
