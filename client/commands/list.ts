import { Option, type Command } from 'commander';
import type { MigrationStatus } from '../../contracts/steps.ts';
import { listText } from '../output/list-text.ts';
import { printAnswer, type CommandContext } from './context.ts';
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
    .action((_options: unknown, self: Command) => {
      const { state, host, limit } = self.optsWithGlobals<ListFlags>();
      const none = state === undefined && host === undefined ? 'No migrations yet.' : 'No migration fits.';
      return printAnswer(
        context,
        self,
        async (client) =>
          (await client.list())
            .filter((row) => state === undefined || state.includes(row.status))
            .filter((row) => host === undefined || row.hostId === host)
            .slice(0, limit),
        (rows, paint) => listText(rows, paint, Date.now(), none),
      );
    });
}
