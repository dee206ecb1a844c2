const call = /\b(?:PROGRAM|RUN(?:\{program\})?|IMPORT\{program\})\s*(?:==|!=|\+=|:=|=)\s*"([^"]+)"/g;

/** The programs that udev rules run, by absolute path; udev(7). Commented lines count for nothing. */
export function programsOf(rules: string): string[] {
  const lines = rules.replace(/\\\n/g, ' ').split('\n');
  const found = lines
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) =>
      [...line.matchAll(call)].map(([, command]) => /^\/[\w./+-]+/.exec(command ?? '')?.[0]),
    );
  return [...new Set(found)].filter((path) => path !== undefined);
}
