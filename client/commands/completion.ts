import { Argument, type Command } from 'commander';
import { completionScript, shells, type Shell } from '../completion-scripts.ts';
import { runCommand, type CommandContext } from './context.ts';

export function addCompletion(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .summary('print a completion script for your shell')
    .description('Prints a script that makes your shell complete commands and options.')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      `
Examples:
  longhaul completion bash > /etc/bash_completion.d/longhaul
  longhaul completion zsh > "\${fpath[1]}/_longhaul"
  longhaul completion fish > ~/.config/fish/completions/longhaul.fish`,
    )
    .action((shell: Shell, _options: unknown, self: Command) =>
      runCommand(context, self, () => {
        context.terminal.print(completionScript(program, shell).trimEnd());
        return Promise.resolve('ok');
      }),
    );
}
