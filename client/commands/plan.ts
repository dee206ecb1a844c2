import type { Command } from 'commander';
import { isBlocked, planText } from '../output/plan-text.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, untilInterrupt, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { withAbsoluteTarget } from './migrate.ts';
import { addSpecOptions, settingsOf } from './spec-options.ts';

export function addPlan(program: Command, context: CommandContext): void {
  const command = program
    .command('plan')
    .summary('show what a migration would do and what blocks it')
    .description(
      'Runs preflight and a dry run of the fixes on a worker, and prints what was found and what would change. Nothing is written. Exit code 4 says that something blocks the migration.',
    )
    .argument(
      '<spec.yaml|archive|image...>',
      'one spec file (- for standard input), an archive (web01.ova), or the disk images of one VM',
    );
  addSpecOptions(command)
    .option('--json', 'the plan as one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  longhaul plan web01.yaml
  longhaul plan web01.vmdk --target-dir /srv/vms
  longhaul plan web01.yaml --json | jq '.preflight.findings[] | select(.severity == "blocker")'`,
    )
    .action((args: string[], _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const flags = withAbsoluteTarget(self.optsWithGlobals<{ targetDir?: string } & GlobalFlags>());
        const { specFromArguments } = await import('../spec-from-arguments.ts');
        const spec = await specFromArguments(args, await settingsOf(flags));
        return withClient(context, self, async (client) => {
          const { terminal } = context;
          if (terminal.interactive && flags.json !== true)
            terminal.note('Looking at the images and into the guest; this takes up to a minute or two.');
          const plan = await client.plan(spec, untilInterrupt());
          terminal.print(
            flags.json === true
              ? jsonText(plan)
              : planText(spec.name, plan, { paint: terminal.paint, columns: terminal.columns() }),
          );
          return isBlocked(plan) ? 'blocked' : 'ok';
        });
      }),
    );
}
