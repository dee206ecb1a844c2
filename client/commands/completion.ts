import addCompletionTo from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/**
 * `completion SHELL` prints a script for the shell; the script asks the hidden `complete` for words. Call it
 * when all other commands are there: it reads them.
 */
export function addCompletion(program: Command): void {
  addCompletionTo(program, { completionCommandName: 'completion' });
  program.commands
    .find((command) => command.name() === 'completion')
    ?.summary('print a completion script for your shell')
    .description('Prints a script that makes your shell complete commands and options.')
    .addHelpText(
      'after',
      `
Examples:
  longhaul completion bash > /etc/bash_completion.d/longhaul
  longhaul completion zsh > "\${fpath[1]}/_longhaul"
  longhaul completion fish > ~/.config/fish/completions/longhaul.fish`,
    );
}
