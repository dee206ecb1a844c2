import type { Command } from 'commander';
import { doctorText } from '../output/doctor-text.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, type CommandContext, type GlobalFlags } from './context.ts';
import { overridesOf } from './worker.ts';

export function addDoctor(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .summary('check that this host has what migrations need')
    .description(
      'Looks at every program, permission and service that migrations need on this host, a line each, with what to do where something is missing. Changes nothing. Exit code 1 says that something is missing.',
    )
    .option('--state-dir <dir>', 'the state directory a worker would use (LONGHAUL_STATE_DIR)')
    .option('--json', 'the checks as one JSON array')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul doctor\n  longhaul doctor --json | jq \'.[] | select(.status != "ok")\'',
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const flags = self.optsWithGlobals<{ stateDir?: string } & GlobalFlags>();
        const { resolveWorkerOptions } = await import('../../workers/options.ts');
        const options = resolveWorkerOptions(overridesOf(flags));
        const { runDoctor } = await import('../../workers/doctor/doctor.ts');
        const checks = await runDoctor(options);
        const { terminal } = context;
        terminal.print(
          flags.json === true
            ? jsonText(checks)
            : doctorText(checks, { paint: terminal.paint, columns: terminal.columns() }),
        );
        return checks.some((check) => check.status === 'failed') ? 'failed' : 'ok';
      }),
    );
}
