import type { Command } from 'commander';
import { hostsText, hostText } from '../output/host-text.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';

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
      runCommand(context, self, () =>
        withClient(self, async ({ hosts }) => {
          const views = await hosts.list();
          const { terminal } = context;
          terminal.print(isJson(self) ? jsonText(views) : hostsText(views, terminal.paint));
          return 'ok';
        }),
      ),
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
      runCommand(context, self, () =>
        withClient(self, async ({ hosts }) => {
          const view = await hosts.view(hostId);
          const { terminal } = context;
          terminal.print(isJson(self) ? jsonText(view) : hostText(view, terminal.paint));
          return 'ok';
        }),
      ),
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
      runCommand(context, self, () =>
        withClient(self, async ({ hosts }) => {
          const { heard } = await hosts.setDrained(hostId, drained);
          const done = drained ? 'takes no more VMs' : 'takes VMs again';
          context.terminal.print(
            isJson(self)
              ? jsonText({ hostId, drained, heard })
              : `${hostId} ${done}${heard ? '' : ' from when it is back'}`,
          );
          return 'ok';
        }),
      ),
    );
}

const isJson = (self: Command): boolean => self.optsWithGlobals<GlobalFlags>().json === true;
