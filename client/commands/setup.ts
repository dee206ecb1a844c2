import { InvalidArgumentError, type Command } from 'commander';
import { setupText } from '../output/setup-text.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';

interface SetupFlags extends GlobalFlags {
  /** Hours. */
  retention?: number;
  check?: boolean;
}

/** setup: makes a namespace of a Temporal server fit for Longhaul, once for a site. */
export function addSetup(program: Command, context: CommandContext): void {
  program
    .command('setup')
    .summary('make a namespace of your Temporal server fit for Longhaul')
    .description(
      'Creates the namespace, sets how long it keeps what has ended, and registers the search attributes: each only where it is not so already. `longhaul up` does that by itself.',
    )
    .option('--retention <time>', 'how long migrations stay listed after they ended, such as 90d', hours)
    .option('--check', 'only look; exit code 8 says that something is lacking')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul setup --namespace migrations --retention 90d\n  longhaul setup --profile production --check',
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const { retention, check, json } = self.optsWithGlobals<SetupFlags>();
          const setup = await client.setUp({
            checkOnly: check === true,
            ...(retention === undefined ? {} : { retentionHours: retention }),
          });
          const { terminal } = context;
          terminal.print(json === true ? jsonText(setup) : setupText(setup, terminal.paint));
          return setup.complete ? 'ok' : 'lacking';
        }),
      ),
    );
}

/** Ten years, in hours: more than anybody means. */
const most = 10 * 365 * 24;

function hours(text: string): number {
  const [, count = '', unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  const value = Number(count) * (unit === 'd' ? 24 : 1);
  if (value < 24 || value > most)
    throw new InvalidArgumentError('Give a time from 1d to 3650d, in days (d) or hours (h).');
  return value;
}
