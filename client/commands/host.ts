import type { Command } from 'commander';
import { hostsText, hostText } from '../output/host-text.ts';
import { printAnswer, type CommandContext } from './context.ts';

/** host list, show, drain and undrain. */
export function addHost(program: Command, context: CommandContext): void {
  const host = program
    .command('host')
    .summary('KVM hosts: what they are like, what they do, whether they take VMs')
    .description('KVM hosts that have, or had, a worker.');
  addHostList(host, context);
  addHostShow(host, context);
  addHostDrain(host, context, {
    name: 'drain',
    summary: 'let a host take no more VMs',
    description:
      'Lets a host take no more VMs. What is under way on it ends there; `longhaul host show` tells when nothing is left.',
    drained: true,
  });
  addHostDrain(host, context, {
    name: 'undrain',
    summary: 'let a host take VMs again',
    description: 'Lets a host take VMs again.',
    drained: false,
  });
}

function addHostList(host: Command, context: CommandContext): void {
  host
    .command('list')
    .summary('list KVM hosts')
    .description(
      'Lists KVM hosts with their state, the steps that run on them, and the free space for disks.',
    )
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExamples:\n  longhaul host list')
    .action((_options: unknown, self: Command) =>
      printAnswer(context, self, ({ hosts }) => hosts.list(), hostsText),
    );
}

function addHostShow(host: Command, context: CommandContext): void {
  host
    .command('show')
    .summary('show one KVM host')
    .description('Shows all that is known of one KVM host.')
    .argument('<id>', 'id of the host')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  longhaul host show kvm1')
    .action((hostId: string, _options: unknown, self: Command) =>
      printAnswer(context, self, ({ hosts }) => hosts.view(hostId), hostText),
    );
}

interface DrainWord {
  name: string;
  summary: string;
  description: string;
  drained: boolean;
}

function addHostDrain(
  host: Command,
  context: CommandContext,
  { name, summary, description, drained }: DrainWord,
): void {
  host
    .command(name)
    .summary(summary)
    .description(`${description} Of a host that is away it takes effect when it is back.`)
    .argument('<id>', 'id of the host')
    .option('--json', 'one JSON document')
    .addHelpText('after', `\nExamples:\n  longhaul host ${name} kvm1`)
    .action((hostId: string, _options: unknown, self: Command) =>
      printAnswer(
        context,
        self,
        async ({ hosts }) => ({ hostId, drained, ...(await hosts.setDrained(hostId, drained)) }),
        ({ heard }) =>
          `${hostId} ${drained ? 'takes no more VMs' : 'takes VMs again'}${heard ? '' : ' from when it is back'}`,
      ),
    );
}
