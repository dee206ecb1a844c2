import type { Command } from 'commander';
import type { Elsewhere } from '../../contracts/steps.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { collect } from './spec-options.ts';

interface ReassignFlags extends GlobalFlags {
  host?: string;
  label?: string[];
  running?: boolean;
}

/** reassign: a migration is begun again on another host. */
export function addReassign(program: Command, context: CommandContext): void {
  program
    .command('reassign')
    .summary('begin a migration again on another host')
    .description(
      'Takes a migration from its host and begins it again on another one: for a host that is gone, or where it is parked. What it had done is done again; what it left there is removed when the host is back.',
    )
    .argument('<id>', 'id, its beginning, or the name of the VM')
    .option('--host <id>', 'KVM host that is to own the VM (default: any other with room)')
    .option('--label <label>', 'only a host with this label; repeatable (default: as in its spec)', collect)
    .option('--running', 'also when its host is there and works on it')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul reassign web01\n  longhaul reassign web01 --host kvm3\n  longhaul reassign web01 --label zone=b',
    )
    .action((reference: string, _options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const { host, label, running, json } = self.optsWithGlobals<ReassignFlags>();
          const to: Elsewhere = { ...(host && { host }), ...(label && { labels: label }) };
          const migrationId = await client.resolve(reference);
          const { from, notes } = await client.reassign(migrationId, to, { running: running === true });
          const { terminal } = context;
          if (json === true) terminal.print(jsonText({ migrationId, from, to, notes }));
          else {
            const left = from === undefined ? '' : `, no longer on ${from}`;
            terminal.print(
              `${migrationId} begins again ${host === undefined ? 'elsewhere' : `on ${host}`}${left}`,
            );
            for (const note of notes) terminal.note(note);
          }
          return 'ok';
        }),
      ),
    );
}
