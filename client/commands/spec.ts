import type { MigrationSpec } from '../../contracts/spec.ts';
import type { Command } from 'commander';
import { jsonText } from '../output/text.ts';
import { runCommand, type CommandContext, type GlobalFlags } from './context.ts';

export function addSpec(program: Command, context: CommandContext): void {
  const spec = program
    .command('spec')
    .summary('check spec files, print their JSON Schema')
    .description(
      'Works on migration specs without a server: checks a file, prints the JSON Schema for editors.',
    );

  spec
    .command('check')
    .description('Checks a spec file and says everything that is wrong with it, with line and column.')
    .argument('<file>', 'spec file in YAML or JSON; - for standard input')
    .option('--json', 'the spec with every default filled in')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul spec check web01.yaml\n  longhaul spec check web01.yaml --json',
    )
    .action((file: string, _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const { readSpecFile } = await import('../spec-from-arguments.ts');
        const value = await readSpecFile(file);
        context.terminal.print(
          self.optsWithGlobals<GlobalFlags>().json === true
            ? jsonText(value)
            : `${file} is valid: ${value.name}, ${sourceText(value.source)}`,
        );
        return 'ok';
      }),
    );

  spec
    .command('schema')
    .description(
      'Prints the JSON Schema (draft 2020-12) of a spec file, for completion and checks in editors.',
    )
    .addHelpText('after', '\nExamples:\n  longhaul spec schema > longhaul.schema.json')
    .action((_options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const { specJsonSchema } = await import('../../contracts/spec-schema.ts');
        context.terminal.print(jsonText(specJsonSchema()));
        return 'ok';
      }),
    );
}

function sourceText(source: MigrationSpec['source']): string {
  if (source.kind === 'azure') return `${source.vm} in the resource group ${source.resourceGroup}`;
  if (source.kind === 'archive') return `the archive ${source.path ?? source.url ?? ''}`;
  return source.disks.length === 1 ? 'one disk' : `${source.disks.length} disks`;
}
