import { Option, type Command } from 'commander';
import type { MigrationStatus } from '../../contracts/steps.ts';
import { listText } from '../output/list-text.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { wholeNumber } from './spec-options.ts';

const states: readonly MigrationStatus[] = [
  'running',
  'paused',
  'parked',
  'completed',
  'failed',
  'cancelled',
  'aborted',
];

interface ListFlags {
  state?: string[];
  host?: string;
  limit?: number;
}

export function addList(program: Command, context: CommandContext): void {
  program
    .command('list')
    .summary('list migrations')
    .description('Lists migrations, the newest first, each with its newest run.')
    .addOption(new Option('--state <state...>', 'only those in one of these states').choices(states))
    .option('--host <id>', 'only those on this KVM host')
    .option('--limit <count>', 'at most so many', wholeNumber)
    .option('--json', 'one JSON array')
    .addHelpText(
      'after',
      `
Examples:
  longhaul list
  longhaul list --state parked failed
  longhaul list --json | jq -r '.[] | select(.status == "failed") | .migrationId'`,
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(self, async (client) => {
          const { state, host, limit, json } = self.optsWithGlobals<ListFlags & GlobalFlags>();
          const rows = (await client.list())
            .filter((row) => state === undefined || state.includes(row.status))
            .filter((row) => host === undefined || row.hostId === host)
            .slice(0, limit);
          const { terminal } = context;
          const none =
            state === undefined && host === undefined ? 'No migrations yet.' : 'No migration fits.';
          terminal.print(json === true ? jsonText(rows) : listText(rows, terminal.paint, Date.now(), none));
          return 'ok';
        }),
      ),
    );
}
