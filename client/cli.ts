import { Command, CommanderError } from 'commander';
import { addBatch } from './commands/batch.ts';
import { addCompletion } from './commands/completion.ts';
import type { CommandContext } from './commands/context.ts';
import { addControls } from './commands/control.ts';
import { addDoctor } from './commands/doctor.ts';
import { addHost } from './commands/host.ts';
import { addInventory } from './commands/inventory.ts';
import { addLimit } from './commands/limit.ts';
import { addList } from './commands/list.ts';
import { addMigrate } from './commands/migrate.ts';
import { addPlan } from './commands/plan.ts';
import { addReap } from './commands/reap.ts';
import { addReassign } from './commands/reassign.ts';
import { addReport } from './commands/report.ts';
import { addSchedule } from './commands/schedule.ts';
import { addSetup } from './commands/setup.ts';
import { addSpec } from './commands/spec.ts';
import { addStatus } from './commands/status.ts';
import { addWorker } from './commands/worker.ts';
import { exitCodes, exitCodeTable } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from '../workers/package-version.ts';

/** The whole command tree. Actions leave how they ended in `context.exit`. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('longhaul')
    .description('Moves virtual machines to KVM/libvirt as durable Temporal workflows.')
    .version(packageVersion())
    .option('--address <host:port>', 'Temporal server (TEMPORAL_ADDRESS; default 127.0.0.1:7233)')
    .option('--namespace <name>', 'Temporal namespace (TEMPORAL_NAMESPACE; default "default")')
    .option('--profile <name>', "profile of Temporal's configuration file (TEMPORAL_PROFILE)")
    .option('--verbose', 'with errors, the stack of what went wrong underneath')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride();
  program.commandsGroup('On a KVM host:');
  addWorker(program, context);
  addDoctor(program, context);
  addHost(program, context);
  program.commandsGroup('A site with a Temporal server of its own:');
  addSetup(program, context);
  program.commandsGroup('Sources:');
  addInventory(program, context);
  addReap(program, context);
  addLimit(program, context);
  program.commandsGroup('Migrations:');
  addMigrate(program, context);
  addPlan(program, context);
  addStatus(program, context);
  addList(program, context);
  addReport(program, context);
  program.commandsGroup('A word to a migration:');
  addControls(program, context);
  addReassign(program, context);
  program.commandsGroup('Many at once:');
  addBatch(program, context);
  addSchedule(program, context);
  program.commandsGroup('Help with files and shells:');
  addSpec(program, context);
  addCompletion(program, context);
  program.helpCommand('help [command]', 'show help for a command');
  program.addHelpText(
    'after',
    `
Examples:
  longhaul up                         a Temporal server and a worker on this machine
  longhaul plan web01.vmdk            what would be done, what blocks it
  longhaul migrate web01.vmdk         do it, and watch
  longhaul status web01 --watch       watch it from elsewhere
  longhaul report web01               what was done and proved

${exitCodeTable()}`,
  );
  return program;
}

/** Runs one command line (without the program's name) and gives the exit code. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<number> {
  const context: CommandContext = { terminal, exit: 'ok' };
  const program = createProgram(context);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes[context.exit].code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end with 0; everything else that commander ends is a mistake on the command line.
    return error.exitCode === 0 ? 0 : exitCodes.usage.code;
  }
}
