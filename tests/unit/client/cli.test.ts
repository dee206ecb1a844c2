import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../../client/cli.ts';
import { processTerminal } from '../../../client/terminal.ts';

const manual = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

describe('the manual of the command line', () => {
  it('has every command with every option of its own', () => {
    const { commands } = createProgram({ terminal: processTerminal(), exit: 'ok' });
    for (const command of commands) {
      expect(manual).toContain(`longhaul ${command.name()}`);
      for (const option of command.options) expect(manual).toContain(`\`${option.long ?? ''}`);
    }
  });
});

describe('the help of every command', () => {
  const { commands } = createProgram({ terminal: processTerminal(), exit: 'ok' });
  const leaves = commands.flatMap((command) => (command.commands.length > 0 ? command.commands : [command]));
  it.each(leaves.map((command) => [command.name(), command] as const))(
    'has examples: %s',
    (_name, command) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect(help).toMatch(/Examples:\n {2}longhaul /);
    },
  );
});
