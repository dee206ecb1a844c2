import type { Command } from 'commander';
import type { Leftover } from '../../activities/sources/azure/leftovers.ts';
import type { AzureCloud } from '../../contracts/azure-clouds.ts';
import { messageOf } from '../../contracts/errors.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { leftoversText, type LeftoverRow } from '../output/leftovers-text.ts';
import { jsonText } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { addLoginOptions, azureAccess, type LoginFlags, loginOf, subscriptionOf } from './azure-options.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';

interface ReapFlags extends GlobalFlags, LoginFlags {
  subscription: string;
  cloud: AzureCloud;
  delete?: boolean;
  unknown?: boolean;
}

export function addReap(program: Command, context: CommandContext): void {
  const reap = program
    .command('reap')
    .summary('find and remove what migrations left at a source')
    .description('Finds what migrations that are over left at a source, and removes it.');

  const azure = reap
    .command('azure')
    .summary('snapshots and restore points in Azure')
    .description(
      'Lists snapshots and restore points with the tags of Longhaul, and whether their migration is under way. Runs here, with your login. Without --delete it only looks.',
    )
    .requiredOption('--subscription <id>', 'id of the subscription')
    .option('--delete', 'remove what belongs to migrations that are over')
    .option('--unknown', 'and what this Temporal namespace does not know: it may be of another one');
  addLoginOptions(azure)
    .option('--json', 'one JSON array')
    .addHelpText(
      'after',
      `
What belongs to a migration that is under way is never touched. Exits with 1 when something could not be removed.

Examples:
  longhaul reap azure --subscription $SUB
  longhaul reap azure --subscription $SUB --delete --managed-identity`,
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const flags = self.optsWithGlobals<ReapFlags>();
          const { terminal } = context;
          const rows = await reaped(flags, client, terminal);
          terminal.print(flags.json === true ? jsonText(rows) : leftoversText(rows, terminal.paint));
          return rows.some(({ fate }) => fate === 'failed') ? 'failed' : 'ok';
        }),
      ),
    );
}

async function reaped(flags: ReapFlags, client: LonghaulClient, terminal: Terminal): Promise<LeftoverRow[]> {
  const login = await loginOf(flags);
  const subscription = await subscriptionOf(flags.subscription);
  const { connectAzure } = await import('../../activities/sources/azure/connect.ts');
  const { leftoverKinds, listLeftovers, removeLeftover } =
    await import('../../activities/sources/azure/leftovers.ts');
  const { deps, io } = await azureAccess(terminal);
  const azure = await connectAzure({ cloud: flags.cloud, login }, deps, io);
  const compute = await azure.compute(subscription);

  const rows: LeftoverRow[] = [];
  const lists = await Promise.all(leftoverKinds.map((kind) => listLeftovers(kind, { azure, compute })));
  for (const leftover of lists.flat()) {
    const state = await client.runState(leftover.run);
    const wanted = state === 'over' || (state === 'unknown' && flags.unknown === true);
    if (!wanted || flags.delete !== true) rows.push({ ...leftover, state, fate: 'kept' });
    else rows.push(await removed(leftover, state));
  }
  return rows;

  async function removed(leftover: Leftover, state: LeftoverRow['state']): Promise<LeftoverRow> {
    try {
      await removeLeftover(leftover, { azure, compute, io });
      return { ...leftover, state, fate: 'removed' };
    } catch (error) {
      io.signal.throwIfAborted();
      // The others can go all the same.
      return { ...leftover, state, fate: 'failed', reason: messageOf(error) };
    }
  }
}
