import { InvalidArgumentError, type Command } from 'commander';
import { LonghaulError } from '../../contracts/errors.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { limitsText, limitText } from '../output/limit-text.ts';
import { printAnswer, runCommand, withAnswer, type CommandContext } from './context.ts';

const keyArgument = [
  '<key>',
  'azure/ID, https://SERVER, host/ID, or storage/ID:/DIRECTORY (* for all hosts)',
] as const;

/** limit list, show and set: how many disks are fetched from one place, or copied to one, at once. */
export function addLimit(program: Command, context: CommandContext): void {
  const limit = program
    .command('limit')
    .summary('how many disks are fetched from one place, or copied to one, at once')
    .description(
      'Limits of Azure subscriptions and web servers, hosts and directories: how many disks are fetched from one, or copied to it, at once, across all batches and single migrations.',
    );
  addLimitList(limit, context);
  addLimitShow(limit, context);
  addLimitSet(limit, context);
}

function addLimitList(limit: Command, context: CommandContext): void {
  limit
    .command('list')
    .summary('list limits that were set or are in use')
    .description('Lists limits that were set or are in use, with the disks that are fetched or copied now.')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExamples:\n  longhaul limit list')
    .action((_options: unknown, self: Command) =>
      printAnswer(context, self, ({ gates }) => gates.list(), limitsText),
    );
}

function addLimitShow(limit: Command, context: CommandContext): void {
  limit
    .command('show')
    .summary('show who fetches disks from one place, or copies to it, and who waits')
    .description(
      'Shows a limit, the migrations that fetch or copy disks there now, and those that wait, in their order.',
    )
    .argument(...keyArgument)
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  longhaul limit show https://images.example.com')
    .action((key: string, _options: unknown, self: Command) =>
      printAnswer(context, self, ({ gates }) => gates.view(key), limitText),
    );
}

function addLimitSet(limit: Command, context: CommandContext): void {
  limit
    .command('set')
    .summary('set a limit')
    .description(
      'Sets how many disks are fetched from one place, or copied to one, at once, also for migrations that wait already; and how fast all fetch from there together. What is under way ends; 0 lets no other begin.',
    )
    .argument(...keyArgument)
    .argument('[disks]', 'disks at once', disks)
    .option('--mib-per-second <rate>', 'what all fetch together at most; none: as fast as it goes', rate)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul limit set https://images.example.com 4\n  longhaul limit set azure/01234567-89ab-cdef-0123-456789abcdef 12 --mib-per-second 200',
    )
    .action((text: string, count: number | undefined, _options: unknown, self: Command) =>
      runCommand(context, self, () => {
        const { mibPerSecond: budget } = self.optsWithGlobals<{ mibPerSecond?: number | null }>();
        if (count === undefined && budget === undefined)
          throw new LonghaulError('OPTION_INVALID', {
            found: 'Neither a number of disks nor --mib-per-second says what to set.',
            remedy: 'Give one or both, for example `longhaul limit set https://images.example.com 4`.',
          });
        const ask = async ({ gates }: LonghaulClient) => {
          if (count !== undefined) await gates.setLimit(text, count);
          if (budget !== undefined) await gates.setBudget(text, budget === null ? null : budget * 1024 ** 2);
          return gates.view(text);
        };
        return withAnswer(context, self, ask, limitText);
      }),
    );
}

function disks(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0.');
  return Number(text);
}

function rate(text: string): number | null {
  if (text === 'none') return null;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Give MiB a second from 1, or none.');
  return Number(text);
}
