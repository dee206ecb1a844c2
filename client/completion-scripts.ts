import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A command as completion needs it; `path` is `spec check` for a command of a command. */
interface Entry {
  path: string;
  about: string;
  subcommands: { name: string; about: string }[];
  options: Word[];
}

interface Word {
  flags: string[];
  about: string;
  takesValue: boolean;
  choices: readonly string[];
}

/**
 * The completion script of one shell for a command tree. It is complete in itself: pressing Tab starts no
 * program and evaluates nothing that was typed. Where no word fits, the shell completes file names.
 */
export function completionScript(program: Command, shell: Shell): string {
  const entries = entriesOf(program, []);
  switch (shell) {
    case 'bash':
      return bashScript(entries);
    case 'zsh':
      return zshScript(entries);
    case 'fish':
      return fishScript(entries);
  }
}

function entriesOf(command: Command, path: string[]): Entry[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const options = [
    ...help.visibleOptions(command),
    ...(path.length > 0 ? help.visibleGlobalOptions(command) : []),
  ];
  const own: Entry = {
    path: path.join(' '),
    about: command.summary(),
    subcommands: subcommands.map((sub) => ({ name: sub.name(), about: sub.summary() || sub.description() })),
    options: options.map(wordOf),
  };
  return [own, ...subcommands.flatMap((sub) => entriesOf(sub, [...path, sub.name()]))];
}

function wordOf(option: Option): Word {
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    about: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

const indent = (lines: string[], by: number) => lines.map((line) => ' '.repeat(by) + line).join('\n');
const longFlags = (entry: Entry) =>
  entry.options.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith('--')));
/** Flags whose next word is their value, and no command. */
const valueFlags = (entries: Entry[]) => [
  ...new Set(
    entries.flatMap(({ options }) =>
      options.filter(({ takesValue }) => takesValue).flatMap(({ flags }) => flags),
    ),
  ),
];
const groups = (entries: Entry[]) =>
  entries.filter(({ path, subcommands }) => path !== '' && subcommands.length > 0);

function bashScript(entries: Entry[]): string {
  const words = entries.map(
    ({ path, subcommands, ...rest }) =>
      `"${path}") words="${[...subcommands.map(({ name }) => name), ...longFlags({ path, subcommands, ...rest })].join(' ')}" ;;`,
  );
  const values = entries.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .flatMap(({ flags, choices }) =>
        flags.map((flag) => `"${path} ${flag}") words="${choices.join(' ')}" ;;`),
      ),
  );
  const nested = groups(entries).map(({ path }) => path);
  return `# bash completion for longhaul
_longhaul() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ " ${valueFlags(entries).join(' ')} " == *" \${COMP_WORDS[i-1]} "* ]] && continue
    case "\${COMP_WORDS[i]}" in
      -*) ;;
      *) if [[ -z $path ]]; then path=\${COMP_WORDS[i]}
         elif [[ " ${nested.join(' ')} " == *" $path "* ]]; then path="$path \${COMP_WORDS[i]}"; fi ;;
    esac
  done
  case "$path $prev" in
${indent(values, 4)}
  esac
  if [[ -z $words ]]; then
    case "$path" in
${indent(words, 6)}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _longhaul longhaul
`;
}

/** For single quotes of zsh and fish; brackets and colons mean something to zsh's _arguments. */
const zshText = (text: string) => text.replaceAll("'", '').replaceAll(/[[\]:]/g, ' ');

function zshScript(entries: Entry[]): string {
  const cases = entries.map((entry) => {
    const subcommands = entry.subcommands.map(({ name, about }) => `'${name}:${zshText(about)}'`);
    const describe = subcommands.length === 0 ? [] : [`subs=(${subcommands.join(' ')})`];
    return `'${entry.path}')\n${indent([...describe, `opts=(${entry.options.flatMap(zshOption).join(' ')})`, ';;'], 6)}`;
  });
  return `#compdef longhaul
_longhaul() {
  local -a subs opts
  local cmd="" word last=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ " ${valueFlags(entries).join(' ')} " == *" $last "* ]]; then last=""; continue; fi
    last=$word
    [[ $word == -* ]] && continue
    if [[ -z $cmd ]]; then cmd=$word
    elif [[ " ${groups(entries)
      .map(({ path }) => path)
      .join(' ')} " == *" $cmd "* ]]; then cmd="$cmd $word"; fi
  done
  case "$cmd" in
${indent(cases.join('\n').split('\n'), 4)}
  esac
  (( \${#subs} )) && _describe command subs && return
  _arguments -S $opts '*:file:_files'
}
if [ "$funcstack[1]" = _longhaul ]; then _longhaul "$@"; else compdef _longhaul longhaul; fi
`;
}

function zshOption({ flags, about, takesValue, choices }: Word): string[] {
  const value = !takesValue ? '' : choices.length > 0 ? `:value:(${choices.join(' ')})` : ':value:_files';
  return flags.map((flag) => `'*${flag}[${zshText(about)}]${value}'`);
}

function fishScript(entries: Entry[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", '')}'`;
  const lines = entries.flatMap((entry) => {
    const names = entry.subcommands.map(({ name }) => name).join(' ');
    const [command, sub] = entry.path.split(' ');
    const here =
      entry.path === ''
        ? '__fish_use_subcommand'
        : `__fish_seen_subcommand_from ${command ?? ''}${sub === undefined ? '' : `; and __fish_seen_subcommand_from ${sub}`}`;
    const open =
      names === '' || entry.path === '' ? here : `${here}; and not __fish_seen_subcommand_from ${names}`;
    return [
      ...entry.subcommands.map(
        ({ name, about }) => `complete -c longhaul -f -n ${quote(open)} -a ${name} -d ${quote(about)}`,
      ),
      ...entry.options.map(({ flags, about, takesValue, choices }) => {
        const words = flags.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        );
        const value = choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : takesValue ? ' -r' : '';
        return `complete -c longhaul -n ${quote(here)} ${words.join(' ')}${value} -d ${quote(about)}`;
      }),
    ];
  });
  return `# fish completion for longhaul\n${lines.join('\n')}\n`;
}
