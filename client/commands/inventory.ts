import { InvalidArgumentError, Option, type Command } from 'commander';
import type { AzureCloud } from '../../contracts/azure-clouds.ts';
import { type AzureInventory, type InventoryRequest, tagOf } from '../../contracts/azure-inventory.ts';
import { inventoryCsv, inventoryText, type InventoryRow } from '../output/inventory-text.ts';
import { jsonText } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { addLoginOptions, azureAccess, type LoginFlags, loginOf, subscriptionOf } from './azure-options.ts';
import { runCommand, untilInterrupt, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { collect } from './spec-options.ts';

interface AzureFlags extends GlobalFlags {
  subscription: string[];
  resourceGroup?: string[];
  all?: boolean;
  name?: string[];
  tag?: { name: string; value?: string }[];
  state?: 'running' | 'stopped';
  os?: 'linux' | 'windows';
  size?: string[];
  zone?: string[];
  cloud: AzureCloud;
  host?: string;
  csv?: boolean;
}

export function addInventory(program: Command, context: CommandContext): void {
  const inventory = program
    .command('inventory')
    .summary('list the VMs of a source')
    .description(
      'Lists the VMs that could be migrated from a source. Needs no server and no worker, unless a host is to list them.',
    );

  const azure = inventory
    .command('azure')
    .summary('list VMs of Azure')
    .description(
      'Lists VMs of Azure with what a domain needs of them. Runs here, with your login, or on the host of a worker, and only reads. The number of requests grows with the pages of the listings, not with the VMs.',
    )
    .requiredOption('--subscription <id>', 'id of a subscription; repeatable', collect)
    .option('--resource-group <name>', 'only VMs in this resource group; repeatable', collect)
    .option('--all', 'all resource groups of the subscription')
    .option('--name <pattern>', 'only VMs whose name fits, with * and ?; repeatable', collect)
    .option('--tag <name[=value]>', 'only VMs with this tag; repeatable, all have to be there', collectTag)
    .addOption(new Option('--state <state>', 'only VMs that run, or do not').choices(['running', 'stopped']))
    .addOption(new Option('--os <os>', 'only VMs with this system').choices(['linux', 'windows']))
    .option('--size <pattern>', 'only VMs whose size fits, with * and ?; repeatable', collect)
    .option('--zone <number>', 'only VMs in this zone; repeatable', collect);
  addLoginOptions(azure)
    .option('--host <id>', 'let the worker of this KVM host list them, with the logins of the host')
    .addOption(new Option('--csv', 'CSV with a line of heads').conflicts('json'))
    .option('--json', 'one JSON array')
    .addHelpText(
      'after',
      `
Without options of a login: AZURE_* variables, a managed identity, or whoever used "az login".

Examples:
  longhaul inventory azure --subscription $SUB --resource-group prod
  longhaul inventory azure --subscription $SUB --all --name 'web*' --state stopped
  longhaul inventory azure --subscription $SUB --all --tag env=test --csv > vms.csv
  longhaul inventory azure --subscription $SUB --all --json | jq -r '.[] | select(.firmware == "bios") | .name'
  longhaul inventory azure --subscription $SUB --all --tenant $T --client $C --secret file:/root/azure-secret
  longhaul inventory azure --subscription $SUB --all --tenant $T --client $C --secret cred:azure --host kvm1`,
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const flags = self.optsWithGlobals<AzureFlags & LoginFlags>();
        const { terminal } = context;
        const show = async (list: Lister) => {
          print(await readInventory(flags, list), flags, terminal);
          return 'ok' as const;
        };
        const { host } = flags;
        if (host === undefined) return show(await listerHere(terminal));
        return withClient(context, self, (client) => {
          const signal = untilInterrupt();
          return show((request) => client.inventory(host, request, signal));
        });
      }),
    );
}

function print({ rows, gaps }: Inventory, { json, csv }: AzureFlags, terminal: Terminal): void {
  if (json === true) terminal.print(jsonText(rows));
  else if (csv === true) terminal.print(inventoryCsv(rows));
  else {
    const columns = terminal.interactive ? terminal.columns() : undefined;
    terminal.print(inventoryText(rows, { paint: terminal.paint, columns }));
  }
  for (const gap of gaps) terminal.note(`${terminal.paintNote.yellow('warning:')} ${gap}`);
}

interface Inventory {
  rows: InventoryRow[];
  gaps: string[];
}

/** Whoever lists: this process, or a worker. */
type Lister = (request: InventoryRequest) => Promise<AzureInventory>;

async function listerHere(terminal: Terminal): Promise<Lister> {
  // Loaded only here: it takes time, and `--help` has to be quick.
  const { listAzureVms } = await import('../../activities/sources/azure/inventory.ts');
  const { deps, io } = await azureAccess(terminal);
  return (request) => listAzureVms(request, deps, io);
}

/** A whole inventory; subscriptions one after the other, so that what is read at once stays bounded. */
async function readInventory(flags: AzureFlags & LoginFlags, list: Lister): Promise<Inventory> {
  const login = await loginOf(flags);
  const rows: InventoryRow[] = [];
  const gaps: string[] = [];
  for (const subscription of await Promise.all(flags.subscription.map(subscriptionOf))) {
    const found = await list({ ...filterOf(flags), subscription, login });
    rows.push(...found.vms.map((vm) => ({ subscription, ...vm })));
    gaps.push(...found.gaps);
  }
  return { rows, gaps };
}

function filterOf({ cloud, resourceGroup, all, name, tag, state, os, size, zone }: AzureFlags) {
  return {
    cloud,
    resourceGroups: resourceGroup ?? [],
    ...(all === undefined ? {} : { all }),
    ...(name === undefined ? {} : { names: name }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(state === undefined ? {} : { state }),
    ...(os === undefined ? {} : { os }),
    ...(size === undefined ? {} : { sizes: size }),
    ...(zone === undefined ? {} : { zones: zone }),
  };
}

function collectTag(text: string, all: { name: string; value?: string }[] = []) {
  const tag = tagOf(text);
  if (tag.name === '') throw new InvalidArgumentError('Give NAME or NAME=VALUE.');
  return [...all, tag];
}
