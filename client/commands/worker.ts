import { InvalidArgumentError, type Command } from 'commander';
import type { WorkerOverrides } from '../../workers/options.ts';
import { runCommand, type CommandContext, type GlobalFlags } from './context.ts';
import { collect, wholeNumber } from './spec-options.ts';

interface WorkerFlags {
  stateDir?: string;
  hostId?: string;
  label?: string[];
  slots?: number;
}

interface UpFlags extends WorkerFlags {
  port?: number;
  uiPort?: number;
}

/** `up` and `worker`: the processes of a KVM host. The worker SDK is loaded only when one of them runs. */
export function addWorker(program: Command, context: CommandContext): void {
  addWorkerOptions(
    program
      .command('up')
      .summary('run the embedded Temporal server and a worker here')
      .description(
        'Runs the embedded Temporal server, its web UI and a worker in the foreground until Ctrl-C. Everything is kept in the state directory: the next `longhaul up` carries on with every migration.',
      ),
  )
    .option('--port <port>', 'port of the Temporal server on loopback; 0 takes a free one', port)
    .option('--ui-port <port>', 'port of the web UI on loopback; 0 takes a free one', port)
    .option('--json', 'one JSON line on standard output when it is ready')
    .addHelpText('after', '\nExamples:\n  longhaul up\n  longhaul up --state-dir /srv/longhaul --slots 2')
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, () => up(context, self.optsWithGlobals<UpFlags & GlobalFlags>())),
    );

  addWorkerOptions(
    program
      .command('worker')
      .summary('run a worker of this KVM host')
      .description(
        'Runs a worker against a Temporal server that runs elsewhere, until SIGTERM or Ctrl-C. Running steps get time to end, then are given back and resumed by the next worker of this host.',
      ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul worker --address temporal.example.net:7233 --namespace migrations\n  longhaul worker --profile production --slots 2',
    )
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const { resolveWorkerOptions } = await import('../../workers/options.ts');
        const options = resolveWorkerOptions(overridesOf(self.optsWithGlobals<WorkerFlags & GlobalFlags>()));
        const { runWorker } = await import('../../workers/run-worker.ts');
        await runWorker(options);
        return 'ok';
      }),
    );
}

async function up({ terminal }: CommandContext, flags: UpFlags & GlobalFlags): Promise<'ok'> {
  const { resolveWorkerOptions } = await import('../../workers/options.ts');
  const options = resolveWorkerOptions(overridesOf(flags));
  const { startUp } = await import('../../workers/up.ts');
  const running = await startUp(options, {
    ...(flags.port === undefined ? {} : { port: flags.port }),
    ...(flags.uiPort === undefined ? {} : { uiPort: flags.uiPort }),
  });
  const { address, uiUrl, hostId, slots } = running;
  if (flags.json === true) terminal.print(JSON.stringify({ address, uiUrl, hostId, slots }));
  else
    terminal.print(
      [
        `Longhaul is up: host ${hostId}, ${slots === 1 ? 'one step' : `${slots} steps`} at a time.`,
        `  Temporal  ${address}${address === '127.0.0.1:7233' ? '' : `  (export TEMPORAL_ADDRESS=${address})`}`,
        `  Web UI    ${uiUrl}`,
        '  Ctrl-C stops it; migrations go on with the next `longhaul up`.',
      ].join('\n'),
    );
  await running.stopped;
  return 'ok';
}

function addWorkerOptions(command: Command): Command {
  return command
    .option('--state-dir <dir>', 'work files, host id, reports (LONGHAUL_STATE_DIR)')
    .option('--host-id <id>', 'id of this host (LONGHAUL_HOST_ID; default: made once and kept)')
    .option(
      '--label <label>',
      'what VMs may ask for, such as ssd or zone=a; repeatable (LONGHAUL_LABELS)',
      collect,
    )
    .option(
      '--slots <count>',
      'steps at once, of all VMs; memory may lower it (LONGHAUL_SLOTS)',
      wholeNumber,
    );
}

/** The flags as workers/options.ts takes them, those not given left out. */
export function overridesOf(flags: WorkerFlags & GlobalFlags): WorkerOverrides {
  const { address, namespace, profile, stateDir, hostId, label: labels, slots } = flags;
  const given = Object.entries({ address, namespace, profile, stateDir, hostId, labels, slots });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError('Give a port number, or 0.');
  return value;
}
