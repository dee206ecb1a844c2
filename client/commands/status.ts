import type { Command } from 'commander';
import { follow, printOutcome } from '../follow.ts';
import { listText } from '../output/list-text.ts';
import { jsonText } from '../output/text.ts';
import { isOpen, viewText } from '../output/view-text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';

export function addStatus(program: Command, context: CommandContext): void {
  program
    .command('status')
    .summary('show how far a migration is')
    .description(
      'Shows the steps and disks of one migration, or without an id the migrations that have not ended. ID is an id, the beginning of one, or the name of the VM.',
    )
    .argument('[id]', 'id, its beginning, or the name of the VM')
    .option('-w, --watch', 'keep showing it until it ends or waits for a decision')
    .option('--json', 'one JSON document; with --watch the last state')
    .addHelpText(
      'after',
      `
Examples:
  longhaul status
  longhaul status web01 --watch
  longhaul status web01 --json | jq .status`,
    )
    .action((reference: string | undefined, _options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const { terminal } = context;
          const { watch, json } = self.optsWithGlobals<{ watch?: boolean } & GlobalFlags>();
          if (reference === undefined) {
            const open = (await client.list()).filter((row) => isOpen(row.status));
            if (watch === true)
              terminal.note('--watch takes the id of one migration; this shows those that have not ended.');
            terminal.print(
              json === true
                ? jsonText(open)
                : listText(open, terminal.paint, Date.now(), 'No migration is under way.'),
            );
            return 'ok';
          }
          const id = await client.resolve(reference);
          if (watch === true) {
            const { exit, view } = await follow(client, id, terminal, { quiet: json === true });
            if (json === true) terminal.print(jsonText(view ?? { migrationId: id }));
            else await printOutcome(client, view, terminal);
            return exit;
          }
          const view = await client.view(id);
          const style = { paint: terminal.paint, columns: terminal.columns(), nowMs: Date.now() };
          terminal.print(json === true ? jsonText(view) : viewText(view, style));
          return 'ok';
        }),
      ),
    );
}
