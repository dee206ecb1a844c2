import { InvalidArgumentError, Option, type Command } from 'commander';
import { LonghaulError } from '../../contracts/errors.ts';
import { isTimeZone } from '../../contracts/time-window.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { scheduleText, schedulesText } from '../output/schedule-text.ts';
import { type Overlap, overlaps, type Timing } from '../schedules.ts';
import { noteAbsent, readBatch } from './batch.ts';
import { printAnswer, runCommand, withAnswer, type CommandContext, type GlobalFlags } from './context.ts';
import { collect } from './spec-options.ts';

interface CreateFlags extends GlobalFlags {
  cron?: string[];
  every?: number;
  timeZone: string;
  jitter: number;
  overlap: Overlap;
  catchUp: number;
  paused?: boolean;
  note?: string;
  replace?: boolean;
}

/** schedule create, list, show, pause, resume, trigger, delete: batches that begin by themselves. */
export function addSchedule(program: Command, context: CommandContext): void {
  const schedule = program
    .command('schedule')
    .summary('batches that begin by themselves')
    .description(
      'Batches that begin by themselves, such as every night. Each has a name of its own, NAME-TIME, and takes what has not been migrated by then.',
    );
  addCreate(schedule, context);
  addLooks(schedule, context);
  for (const word of words) addWord(schedule, context, word);
}

function addCreate(schedule: Command, context: CommandContext): void {
  schedule
    .command('create')
    .summary('let a batch begin by itself')
    .description(
      'Lets the batch of a file begin by itself. The file is read now; to change it, create the schedule again with --replace.',
    )
    .argument('<file>', 'batch file in YAML or JSON; - for standard input')
    .option('--cron <expression>', 'when: minute, hour, day, month, day of the week; repeatable', collect)
    .option('--every <time>', 'every so often, such as 6h, counted from 1970', duration)
    .option('--time-zone <name>', 'whose clocks are meant by --cron', timeZone, 'UTC')
    .addOption(
      new Option('--jitter <time>', 'begin up to so much later, by chance')
        .argParser(duration)
        .default(0, 'none'),
    )
    .addOption(
      new Option('--overlap <what>', 'what becomes of the next when one still runs')
        .choices(Object.keys(overlaps))
        .default('skip'),
    )
    .addOption(
      new Option('--catch-up <time>', 'make up for a missed beginning until so much later')
        .argParser(duration)
        .default(3_600_000, '1h'),
    )
    .option('--paused', 'create it paused')
    .option('--note <text>', 'shown with it')
    .option('--replace', 'put it in the place of one of that name')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul schedule create night.yaml --cron "0 20 * * 1-5" --time-zone Europe/Berlin\n  longhaul schedule create delta.yaml --every 6h --jitter 10m --overlap wait',
    )
    .action((file: string, _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const flags = self.optsWithGlobals<CreateFlags>();
        const timing = timingOf(flags);
        const plan = await readBatch(file);
        const ask = async (client: LonghaulClient) => {
          const { schedules } = client;
          await schedules.create(plan, timing, flags);
          await noteAbsent(client, plan.input.selection?.select ?? [], context);
          return schedules.show(plan.input.name);
        };
        return withAnswer(context, self, ask, scheduleText);
      }),
    );
}

function timingOf({ cron = [], every, timeZone: zone, jitter, overlap, catchUp }: CreateFlags): Timing {
  if (cron.length === 0 && every === undefined)
    throw new LonghaulError('OPTION_INVALID', {
      found: 'Neither --cron nor --every says when it begins.',
      remedy: 'Give one, for example --cron "0 20 * * *".',
    });
  return {
    cron,
    timeZone: zone,
    jitterMs: jitter,
    overlap,
    catchUpMs: catchUp,
    ...(every === undefined ? {} : { everyMs: every }),
  };
}

function addLooks(schedule: Command, context: CommandContext): void {
  schedule
    .command('list')
    .summary('list schedules')
    .description('Lists schedules, when they begin next and when they did last.')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExamples:\n  longhaul schedule list')
    .action((_options: unknown, self: Command) =>
      printAnswer(context, self, ({ schedules }) => schedules.list(), schedulesText),
    );
  schedule
    .command('show')
    .summary('show a schedule')
    .description('Shows when a schedule begins its batches, those to come and those it has begun.')
    .argument('<name>', 'name of the schedule, which is that of its batch')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExamples:\n  longhaul schedule show night')
    .action((name: string, _options: unknown, self: Command) =>
      printAnswer(context, self, ({ schedules }) => schedules.show(name), scheduleText),
    );
}

interface Word {
  name: string;
  summary: string;
  done: string;
  /** Takes a note. */
  noted?: true;
  act: (client: LonghaulClient, name: string, note?: string) => Promise<void>;
}

const words: readonly Word[] = [
  {
    name: 'pause',
    summary: 'let a schedule begin nothing',
    done: 'is paused; a batch that runs goes on',
    noted: true,
    act: ({ schedules }, name, note) => schedules.pause(name, note),
  },
  {
    name: 'resume',
    summary: 'let a paused schedule go on',
    done: 'goes on',
    noted: true,
    act: ({ schedules }, name, note) => schedules.resume(name, note),
  },
  {
    name: 'trigger',
    summary: 'begin its batch now',
    done: 'begins a batch now; `longhaul schedule show` has its name',
    act: ({ schedules }, name) => schedules.trigger(name),
  },
  {
    name: 'delete',
    summary: 'delete a schedule',
    done: 'is deleted; a batch that runs goes on',
    act: ({ schedules }, name) => schedules.delete(name),
  },
];

function addWord(
  schedule: Command,
  context: CommandContext,
  { name: called, summary, done, noted, act }: Word,
): void {
  const command = schedule
    .command(called)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .argument('<name>', 'name of the schedule');
  if (noted) command.option('--note <text>', 'why, shown with it');
  command
    .option('--json', 'one JSON document')
    .addHelpText('after', `\nExamples:\n  longhaul schedule ${called} night`)
    .action((name: string, _options: unknown, self: Command) =>
      printAnswer(
        context,
        self,
        async (client) => {
          await act(client, name, self.opts<{ note?: string }>().note);
          return { schedule: name, asked: called };
        },
        () => `${name} ${done}`,
      ),
    );
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `15m`, `6h`, `1d`, in milliseconds. */
function duration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? NaN);
  if (!(ms > 0)) throw new InvalidArgumentError('Give a time such as 30s, 15m, 6h or 1d.');
  return ms;
}

function timeZone(name: string): string {
  if (!isTimeZone(name)) throw new InvalidArgumentError('Give a time zone such as Europe/Berlin or UTC.');
  return name;
}
