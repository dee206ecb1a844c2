import { moduleName } from './module-names.ts';

/** A kernel module as modules.dep(5) has it; paths count from /lib/modules/VERSION. */
export interface TableEntry {
  path: string;
  dependencies: string[];
}

/** modules.dep by module name. Lines that are none are passed over. */
export function parseModulesDep(text: string): Map<string, TableEntry> {
  const table = new Map<string, TableEntry>();
  for (const line of text.split('\n')) {
    const [, path = '', rest = ''] = /^(\S+\.ko(?:\.\w+)?):(.*)$/.exec(line) ?? [];
    const name = nameOfPath(path);
    if (name !== undefined && isPlain(path)) {
      table.set(name, { path, dependencies: rest.split(/\s+/).filter((other) => isPlain(other)) });
    }
  }
  return table;
}

/** Module name of a path, as in `kernel/drivers/block/virtio_blk.ko.xz`. */
export function nameOfPath(path: string): string | undefined {
  const file = /([^/]{1,128})\.ko(?:\.\w+)?$/.exec(path)?.[1];
  return file === undefined ? undefined : moduleName(file);
}

/** Paths come from the guest and are read there again: they stay below the folder of the kernel. */
function isPlain(path: string): boolean {
  return /^[A-Za-z0-9][\w./+@-]{1,300}$/.test(path) && !path.split('/').includes('..');
}

/** The modules and all they depend on, what is needed first coming first; a name that is unknown is left out. */
export function withDependencies(
  names: readonly string[],
  table: ReadonlyMap<string, TableEntry>,
): Map<string, TableEntry> {
  const all = new Map<string, TableEntry>();
  const seen = new Set<string>();
  const add = (name: string) => {
    const entry = table.get(name);
    if (entry === undefined || seen.has(name)) return;
    seen.add(name);
    for (const path of entry.dependencies) add(nameOfPath(path) ?? '');
    all.set(name, entry);
  };
  names.forEach(add);
  return all;
}

/** The lines of modules.alias that lead to one of the modules: alias and module. */
export function aliasesOf(text: string, modules: ReadonlySet<string>): [string, string][] {
  return [...text.matchAll(/^alias[ \t]+(\S+)[ \t]+(\S+)[ \t]*$/gm)].flatMap(([, alias, module]) =>
    alias !== undefined && module !== undefined && modules.has(module)
      ? [[alias, module] satisfies [string, string]]
      : [],
  );
}
