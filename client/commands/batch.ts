import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { BatchPlan } from '../../contracts/batch-file.ts';
import { type BatchView, pagesUpTo, type VmOutcome } from '../../contracts/batch.ts';
import type { ExitName } from '../exit-codes.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { batchCsv, batchListText, batchText, isBatchOver } from '../output/batch-text.ts';
import { batchHtml } from '../output/batch-html.ts';
import { jsonText } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import {
  printAnswer,
  runCommand,
  untilInterrupt,
  withAnswer,
  withClient,
  type CommandContext,
  type GlobalFlags,
} from './context.ts';
import { writeReport } from './report.ts';

const watchMs = 2_000;

/** batch start, status and the others. */
export function addBatch(program: Command, context: CommandContext): void {
  const batch = program
    .command('batch')
    .summary('migrate many VMs in waves')
    .description(
      'Migrates many VMs in waves, so many at once, from a batch file. Batches are known by their names.',
    );
  addStart(batch, context);
  addLooks(batch, context);
  addAdd(batch, context);
  addReport(batch, context);
  for (const word of words) addWord(batch, context, word);
}

/** Reads a batch file. @throws LonghaulError BATCH_INVALID */
export async function readBatch(file: string): Promise<BatchPlan> {
  const { readWritten } = await import('../read-file.ts');
  const { maxBatchLength, parseBatchFile } = await import('../../contracts/batch-file.ts');
  const remedy = 'Name a batch file in YAML or JSON that exists and is readable; docs/fleet.md has examples.';
  return readWritten(file, { code: 'BATCH_INVALID', remedy, maxLength: maxBatchLength }, parseBatchFile);
}

function addStart(batch: Command, context: CommandContext): void {
  batch
    .command('check')
    .summary('check a batch file')
    .description('Checks a batch file and says everything that is wrong with it, with line and column.')
    .argument('<file>', 'batch file in YAML or JSON; - for standard input')
    .option('--json', 'the specs with every default filled in')
    .addHelpText('after', '\nExamples:\n  longhaul batch check night.yaml')
    .action((file: string, _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const plan = await readBatch(file);
        const isJson = self.optsWithGlobals<GlobalFlags>().json === true;
        context.terminal.print(isJson ? jsonText(plan) : `${file} is valid: ${planText(plan)}`);
        return 'ok';
      }),
    );
  batch
    .command('start')
    .summary('start a batch')
    .description(
      'Starts the batch of a file. VMs that were migrated before are left out. Cut off while it hands over thousands of VMs, the same command goes on.',
    )
    .argument('<file>', 'batch file in YAML or JSON; - for standard input')
    .option('-w, --watch', 'follow it until it ends')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul batch start night.yaml\n  longhaul batch start night.yaml --watch',
    )
    .action((file: string, _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const plan = await readBatch(file);
        const { name } = plan.input;
        return withClient(context, self, async (client) => {
          await client.batches.start(plan);
          const { watch, json } = self.optsWithGlobals<{ watch?: boolean } & GlobalFlags>();
          if (watch === true) return watchBatch(client, name, context, json === true);
          context.terminal.print(json === true ? jsonText({ batch: name }) : `${name}: ${planText(plan)}`);
          await noteAbsent(client, plan.input.selection?.select ?? [], context);
          context.terminal.note(`Started. Watch it with: longhaul batch status ${name} --watch`);
          return 'ok';
        });
      }),
    );
}

/** Says which of the hosts that are to look for VMs are not there: their batch waits for them. */
export async function noteAbsent(
  client: LonghaulClient,
  places: readonly { host?: string | undefined }[],
  { terminal }: CommandContext,
): Promise<void> {
  for (const host of new Set(places.flatMap((place) => place.host ?? []))) {
    const doubt = await client.hostDoubt({ host });
    if (doubt) terminal.note(`${doubt.found} VMs are looked up there when one does. ${doubt.remedy}`);
  }
}

function planText({ input, vms }: BatchPlan): string {
  const count = vms.reduce((sum, { length }) => sum + length, 0);
  const waves = vms.length === 1 ? '' : ` in ${vms.length} waves`;
  const places = input.selection?.select.length ?? 0;
  const looked = places === 0 ? '' : `those found in ${places === 1 ? 'one place' : `${places} places`}`;
  const listed = count === 0 && looked !== '' ? '' : `${count} VM${count === 1 ? '' : 's'}`;
  const both = listed !== '' && looked !== '' ? ' and ' : '';
  return `${listed}${both}${looked}${waves}, ${input.atOnce} at once`;
}

function addAdd(batch: Command, context: CommandContext): void {
  batch
    .command('add')
    .summary('add VMs to a batch that runs')
    .description(
      'Adds the VMs of another batch file: to the waves of the same names, or, where the file names none, to the wave that is on. VMs that are in the batch already are left out; all else in the file but its defaults counts for nothing.',
    )
    .argument('<name>', 'name of the batch')
    .argument('<file>', 'batch file in YAML or JSON; - for standard input')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  longhaul batch add night more.yaml')
    .action((asked: string, file: string, _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const plan = await readBatch(file);
        if (plan.input.selection)
          throw new LonghaulError('BATCH_INVALID', {
            found: `${file} has a select, and a batch that runs looks for no more VMs`,
            remedy: 'Name the VMs under vms, or start a batch of their own.',
          });
        const ask = async ({ batches }: LonghaulClient) => {
          const name = await batches.find(asked);
          return { batch: name, added: await batches.add(name, plan) };
        };
        return withAnswer(
          context,
          self,
          ask,
          ({ batch: name, added }) => `${name} has ${added} VM${added === 1 ? '' : 's'} more`,
        );
      }),
    );
}

function addLooks(batch: Command, context: CommandContext): void {
  batch
    .command('list')
    .summary('list batches')
    .description('Lists batches, the newest first.')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExamples:\n  longhaul batch list')
    .action((_options: unknown, self: Command) =>
      printAnswer(
        context,
        self,
        ({ batches }) => batches.list(),
        (rows, paint) => batchListText(rows, paint, Date.now()),
      ),
    );
  batch
    .command('status')
    .summary('show how far a batch is')
    .description('Shows the waves of a batch, what runs, and what is parked or failed and why.')
    .argument('<name>', 'name of the batch')
    .option('-w, --watch', 'keep showing it until it ends')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  longhaul batch status night --watch')
    .action((asked: string, _options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const name = await client.batches.find(asked);
          const { watch, json } = self.optsWithGlobals<{ watch?: boolean } & GlobalFlags>();
          if (watch === true) return watchBatch(client, name, context, json === true);
          const { view, vms } = await lookAt(client, name);
          context.terminal.print(
            json === true ? jsonText({ ...view, vms }) : shown(view, vms, context.terminal),
          );
          if (view.looking) await noteAbsent(client, [view.looking], context);
          return exitOf(view);
        }),
      ),
    );
}

/** Of a batch that is under way only the pages that were begun: what waits says nothing. */
async function lookAt(client: LonghaulClient, name: string): Promise<{ view: BatchView; vms: VmOutcome[] }> {
  const view = await client.batches.view(name);
  const pages = isBatchOver(view) ? pagesUpTo(view.lastPage) : view.activePages;
  return { view, vms: await client.batches.outcomes(name, pages) };
}

const shown = (view: BatchView, vms: readonly VmOutcome[], terminal: Terminal) =>
  batchText(view, vms, { paint: terminal.paint, columns: terminal.columns(), nowMs: Date.now() });

async function watchBatch(
  client: LonghaulClient,
  name: string,
  { terminal }: CommandContext,
  json: boolean,
): Promise<ExitName> {
  const signal = untilInterrupt();
  const { createLogUpdate } = await import('log-update');
  const update = terminal.interactive && !json ? createLogUpdate(process.stdout) : undefined;
  const interrupted = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined)),
  );
  let last = '';
  for (;;) {
    const seen = await Promise.race([lookAt(client, name), interrupted]);
    if (seen === undefined) {
      update?.done();
      terminal.note(`Detached; the batch goes on. Come back with: longhaul batch status ${name} --watch`);
      return 'detached';
    }
    const { view, vms } = seen;
    const text = shown(view, vms, terminal);
    if (update) update(text);
    const line = `${view.status}, ${JSON.stringify(view.counts)}`;
    if (!update && !json && line !== last) terminal.print(text.split('\n')[0] ?? '');
    last = line;
    if (isBatchOver(view)) {
      update?.done();
      if (json) terminal.print(jsonText({ ...view, vms }));
      else if (!update) terminal.print(text);
      return exitOf(view);
    }
    await sleep(watchMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Of one that has ended: whether all VMs are here. */
function exitOf(view: BatchView): ExitName {
  if (view.status === 'cancelled') return 'ended';
  if (view.status === 'stopped' || view.status === 'failed') return 'failed';
  if (isBatchOver(view) && (view.selected?.refusedCount ?? 0) > 0) return 'failed';
  return view.status === 'completed' && view.counts.failed > 0 ? 'failed' : 'ok';
}

function addReport(batch: Command, context: CommandContext): void {
  batch
    .command('report')
    .summary('write the report of a batch')
    .description(
      'Writes how each VM of a batch fared: one self-contained HTML page, or JSON or CSV; of one that still runs, as far as it has come.',
    )
    .argument('<name>', 'name of the batch')
    .addOption(
      new Option('-f, --format <format>', 'HTML, JSON or CSV')
        .choices(['html', 'json', 'csv'])
        .default('html'),
    )
    .option('-o, --output <file>', 'write it there instead')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul batch report night -o night.html\n  longhaul batch report night --format csv -o night.csv',
    )
    .action((asked: string, _options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const name = await client.batches.find(asked);
          const flags = self.optsWithGlobals<
            { format: 'html' | 'json' | 'csv'; output?: string } & GlobalFlags
          >();
          const view = await client.batches.view(name);
          const vms = await client.batches.outcomes(name, pagesUpTo(view.lastPage));
          const text = reportText(flags.json === true ? 'json' : flags.format, view, vms);
          if (flags.output === undefined) context.terminal.print(text);
          else {
            await writeReport(flags.output, `${text}\n`);
            context.terminal.note(`Written to ${flags.output}`);
          }
          return 'ok';
        }),
      ),
    );
}

function reportText(format: 'html' | 'json' | 'csv', view: BatchView, vms: readonly VmOutcome[]): string {
  if (format === 'json') return jsonText({ ...view, vms });
  return format === 'csv' ? batchCsv(vms) : batchHtml(view, vms, new Date());
}

interface Word {
  name: string;
  summary: string;
  /** What else it takes. */
  argument?: { name: string; description: string; example: string };
  option?: { name: string; description: string };
  act(
    client: LonghaulClient,
    name: string,
    argument: string,
    flags: Record<string, unknown>,
  ): Promise<string>;
}

const words: readonly Word[] = [
  {
    name: 'approve',
    summary: 'let a wave begin that waits for it',
    argument: { name: 'wave', description: 'name of the wave', example: 'rest' },
    act: (client, name, wave) => client.batches.approve(name, wave).then(() => `wave ${wave} may begin`),
  },
  {
    name: 'pause',
    summary: 'begin nothing more, and hold what runs',
    act: (client, name) =>
      client.batches.pause(name).then(() => `pauses; go on with \`longhaul batch resume ${name}\``),
  },
  {
    name: 'resume',
    summary: 'let a paused batch go on',
    act: (client, name) => client.batches.resume(name).then(() => 'goes on'),
  },
  {
    name: 'cancel',
    summary: 'stop a batch and undo what is under way',
    act: (client, name) =>
      client.batches.cancel(name).then(() => 'is being cancelled; what is under way is undone first'),
  },
  {
    name: 'retry',
    summary: 'begin those once more that did not succeed',
    option: { name: 'failed', description: 'not those that were not begun because the batch was stopped' },
    act: (client, name, _argument, { failed }) =>
      client.batches
        .retry(name, { failedOnly: failed === true })
        .then((count) =>
          count === 0 ? 'nothing to retry' : `begins ${count} VM${count === 1 ? '' : 's'} once more`,
        ),
  },
  {
    name: 'drop',
    summary: 'take a VM out that was not begun',
    argument: { name: 'vm', description: 'name of the VM', example: 'web07' },
    act: (client, name, vm) => client.batches.drop(name, vm).then(() => `goes on without ${vm}`),
  },
  {
    name: 'first',
    summary: 'begin a VM before all others that wait',
    argument: { name: 'vm', description: 'name of the VM', example: 'web07' },
    act: (client, name, vm) => client.batches.first(name, vm).then(() => `begins ${vm} next`),
  },
];

function addWord(batch: Command, context: CommandContext, word: Word): void {
  const command = batch
    .command(word.name)
    .summary(word.summary)
    .description(`${word.summary.charAt(0).toUpperCase()}${word.summary.slice(1)}.`)
    .argument('<name>', 'name of the batch');
  if (word.argument) command.argument(`<${word.argument.name}>`, word.argument.description);
  if (word.option) command.option(`--${word.option.name}`, word.option.description);
  const example = `longhaul batch ${word.name} night${word.argument ? ` ${word.argument.example}` : ''}`;
  command.addHelpText('after', `\nExamples:\n  ${example}`);
  command.option('--json', 'one JSON document').action((asked: string, ...rest: unknown[]) => {
    const self = rest.at(-1) as Command;
    return runCommand(context, self, () =>
      withClient(context, self, async (client) => {
        const name = await client.batches.find(asked);
        const argument = typeof rest[0] === 'string' ? rest[0] : '';
        const done = await word.act(client, name, argument, self.opts());
        const isJson = self.optsWithGlobals<GlobalFlags>().json === true;
        context.terminal.print(isJson ? jsonText({ batch: name, asked: word.name }) : `${name} ${done}`);
        return 'ok';
      }),
    );
  });
}
