export interface SelinuxConfig {
  mode: 'enforcing' | 'permissive' | 'disabled';
  /** Name of the policy: the folder below /etc/selinux. */
  policy: string;
}

/** /etc/selinux/config, selinux_config(5). `disabled` when it does not say otherwise. */
export function selinuxConfig(text: string): SelinuxConfig {
  const value = (key: string) =>
    new RegExp(`^[ \\t]*${key}=[ \\t]*([A-Za-z0-9_-]+)`, 'm').exec(text)?.[1]?.toLowerCase();
  const mode = value('SELINUX');
  return {
    mode: mode === 'enforcing' || mode === 'permissive' ? mode : 'disabled',
    policy: value('SELINUXTYPE') ?? 'targeted',
  };
}

/** Output of matchpathcon(8): path and label, a tab between; `<<none>>` is no label. */
export function labelsIn(output: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [, path, label] = /^(\/.*)\t(\w+:\w+:\w+(?::[\w:.,-]+)?)$/.exec(line) ?? [];
    if (path !== undefined && label !== undefined) labels.set(path, label);
  }
  return labels;
}

/** A path and the directories above it, the root left out: `/a/b` gives `/a` and `/a/b`. */
export function withParents(paths: readonly string[]): string[] {
  const all = paths.flatMap((path) => {
    const parts = path.split('/').filter((part) => part !== '');
    return parts.map((_part, index) => `/${parts.slice(0, index + 1).join('/')}`);
  });
  return [...new Set(all)].sort();
}
