import type { Command } from 'commander';
import { exitOfError, type ExitName } from '../exit-codes.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { resolveClientOptions, type ConnectionFlags, type Paint } from '../options.ts';
import { errorJson, errorText } from '../output/error-text.ts';
import { jsonText } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** What every command gets, and where it leaves how it ended. */
export interface CommandContext {
  terminal: Terminal;
  exit: ExitName;
}

/** Options that every command knows. */
export interface GlobalFlags extends ConnectionFlags {
  verbose?: boolean;
  json?: boolean;
}

/** Runs the body of a command; an error is printed in its words and becomes the exit code. */
export async function runCommand(
  context: CommandContext,
  command: Command,
  body: () => Promise<ExitName>,
): Promise<void> {
  try {
    context.exit = await body();
  } catch (error) {
    const flags = command.optsWithGlobals<GlobalFlags>();
    context.terminal.note(flags.json === true ? errorJson(error) : errorText(error, context.terminal));
    if (flags.verbose === true && error instanceof Error) context.terminal.note(stackOf(error));
    context.exit = exitOfError(error);
  }
}

/** Runs the body with a connection, closed in any case. The Temporal client is loaded only here: it is slow to load. */
export async function withClient(
  { terminal }: Pick<CommandContext, 'terminal'>,
  command: Command,
  body: (client: LonghaulClient) => Promise<ExitName>,
): Promise<ExitName> {
  const { address, namespace, profile } = command.optsWithGlobals<GlobalFlags>();
  const options = await resolveClientOptions({
    ...(address === undefined ? {} : { address }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(profile === undefined ? {} : { profile }),
  });
  const { LonghaulClient } = await import('../longhaul-client.ts');
  const client = await LonghaulClient.connect(
    options,
    isJson(command) ? undefined : (words) => terminal.note(words),
  );
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}

/** Asks the server for one thing and prints it: as JSON where that is wanted, else in words. */
export function withAnswer<T>(
  context: CommandContext,
  command: Command,
  ask: (client: LonghaulClient) => Promise<T>,
  textOf: (answer: T, paint: Paint) => string,
): Promise<ExitName> {
  return withClient(context, command, async (client) => {
    const answer = await ask(client);
    const { terminal } = context;
    terminal.print(isJson(command) ? jsonText(answer) : textOf(answer, terminal.paint));
    return 'ok';
  });
}

/** A command that does nothing else. */
export const printAnswer = <T>(
  context: CommandContext,
  command: Command,
  ask: (client: LonghaulClient) => Promise<T>,
  textOf: (answer: T, paint: Paint) => string,
): Promise<void> => runCommand(context, command, () => withAnswer(context, command, ask, textOf));

const isJson = (command: Command): boolean => command.optsWithGlobals<GlobalFlags>().json === true;

/** Aborts when the user presses Ctrl-C. */
export function untilInterrupt(): AbortSignal {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
  return interrupt.signal;
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
