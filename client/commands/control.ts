import type { Command } from 'commander';
import type { MigrationSpec } from '../../contracts/spec.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { collect, parsedSettings } from './spec-options.ts';

interface Control {
  name: string;
  summary: string;
  description: string;
  /** Said when the request was taken. */
  done: string;
  act(client: LonghaulClient, migrationId: string): Promise<void>;
}

const controls: readonly Control[] = [
  {
    name: 'pause',
    summary: 'hold a migration before its next step',
    description:
      'Holds a migration before its next step. A step that loses nothing by it is stopped at once; the others end first.',
    done: 'pauses; go on with `longhaul resume`',
    act: (client, id) => client.pause(id),
  },
  {
    name: 'resume',
    summary: 'let a paused migration go on',
    description: 'Lets a paused migration go on where it was held.',
    done: 'goes on',
    act: (client, id) => client.resume(id),
  },
  {
    name: 'cancel',
    summary: 'stop a migration and undo what it did',
    description:
      'Stops a migration. What it did is undone; finished disks are kept unless the spec says purge (policy.onAbort).',
    done: 'is being cancelled; what was done is undone first',
    act: (client, id) => client.cancel(id),
  },
  {
    name: 'skip',
    summary: 'go on without the step that failed',
    description: 'Lets a parked migration go on without the step it is parked at, where that is possible.',
    done: 'goes on without the step',
    act: (client, id) => client.answer(id, { action: 'skip' }),
  },
  {
    name: 'abort',
    summary: 'give up a parked migration',
    description: 'Ends a parked migration and undoes what it did.',
    done: 'ends; what was done is undone first',
    act: (client, id) => client.answer(id, { action: 'abort' }),
  },
];

/** pause, resume, cancel, retry, skip and abort: one word to a migration. */
export function addControls(program: Command, context: CommandContext): void {
  for (const control of controls) {
    // What answers a failure stands together, the most frequent first.
    if (control.name === 'skip') addRetry(program, context);
    addControl(program, control).action((reference: string, _options: unknown, self: Command) =>
      runControl(context, self, reference, control),
    );
  }
}

function addControl(
  program: Command,
  { name, summary, description }: Pick<Control, 'name' | 'summary' | 'description'>,
): Command {
  return program
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<id>', 'id, its beginning, or the name of the VM')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `\nExamples:\n  longhaul ${name} web01\n  longhaul ${name} migrate-image-web01-1a2b3c4d`,
    );
}

function addRetry(program: Command, context: CommandContext): void {
  const retry = { name: 'retry', summary: 'run the step that failed again', done: 'runs the step again' };
  addControl(program, {
    ...retry,
    description:
      'Runs the step a parked migration is parked at again. --set amends the spec first, for this and all later steps; the source and the name stay.',
  })
    .option('--set <key=value>', 'amend a place of the spec; repeatable', collect)
    .addHelpText('after', '  longhaul retry web01 --set guest.root=/dev/sda2')
    .action((reference: string, _options: unknown, self: Command) =>
      runControl(context, self, reference, {
        ...retry,
        act: async (client, id) => {
          const { set } = self.optsWithGlobals<{ set?: string[] } & GlobalFlags>();
          const spec = set === undefined ? undefined : await amendedSpec(client, id, set);
          await client.answer(id, { action: 'retry', ...(spec === undefined ? {} : { spec }) });
        },
      }),
    );
}

/** The spec the migration runs with, changed as asked and validated anew. */
async function amendedSpec(
  client: LonghaulClient,
  id: string,
  set: readonly string[],
): Promise<MigrationSpec> {
  const { settledSpec } = await import('../spec-from-arguments.ts');
  const settings = await parsedSettings(set);
  return settledSpec((await client.view(id)).spec, settings);
}

function runControl(
  context: CommandContext,
  self: Command,
  reference: string,
  { name, done, act }: Pick<Control, 'name' | 'done' | 'act'>,
): Promise<void> {
  return runCommand(context, self, () =>
    withClient(context, self, async (client) => {
      const migrationId = await client.resolve(reference);
      await act(client, migrationId);
      const { terminal } = context;
      if (self.optsWithGlobals<GlobalFlags>().json === true)
        terminal.print(jsonText({ migrationId, asked: name }));
      else terminal.print(`${migrationId} ${done}`);
      return 'ok';
    }),
  );
}
