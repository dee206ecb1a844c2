import { writeFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import { renderReportMarkdown } from '../../contracts/report-markdown.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';

interface ReportFlags {
  format: 'md' | 'json';
  output?: string;
}

export function addReport(program: Command, context: CommandContext): void {
  program
    .command('report')
    .summary('print the report of a migration')
    .description(
      'Prints what a migration did, changed and proved; of one that still runs, as far as it has come.',
    )
    .argument('<id>', 'id, its beginning, or the name of the VM')
    .addOption(new Option('-f, --format <format>', 'Markdown or JSON').choices(['md', 'json']).default('md'))
    .option('-o, --output <file>', 'write it there instead')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'after',
      `
Examples:
  longhaul report web01
  longhaul report web01 -o web01.md
  longhaul report web01 --json | jq .boot`,
    )
    .action((reference: string, _options: unknown, self: Command) =>
      runCommand(context, self, () =>
        withClient(context, self, async (client) => {
          const { format, output, json } = self.optsWithGlobals<ReportFlags & GlobalFlags>();
          const report = await client.report(await client.resolve(reference));
          const asJson = json === true || format === 'json';
          const text = asJson ? `${jsonText(report)}\n` : renderReportMarkdown(report);
          if (output === undefined) context.terminal.print(text.trimEnd());
          else {
            await writeReport(output, text);
            context.terminal.note(`Written to ${output}`);
          }
          return 'ok';
        }),
      ),
    );
}

export async function writeReport(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new LonghaulError(
      'OPTION_INVALID',
      {
        found: `The report cannot be written to ${path}: ${messageOf(error)}.`,
        remedy: 'Name a file that can be written.',
      },
      error,
    );
  }
}
