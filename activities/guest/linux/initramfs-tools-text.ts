/**
 * Adds modules to /etc/initramfs-tools/modules, which are loaded at boot whatever MODULES= is set to,
 * initramfs-tools(7). Those already there stay as they are.
 */
export function addInitramfsModules(text: string, modules: readonly string[]): string {
  const present = new Set(
    text.split('\n').map((line) => (line.trim().split(/\s+/)[0] ?? '').replaceAll('-', '_')),
  );
  const missing = modules.filter((module) => !present.has(module));
  if (missing.length === 0) return text;
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`;
}

/**
 * Adds modules to the MODULES array of mkinitcpio.conf(5), which is a shell script; behind the end when it has
 * no array that can be read. Those the file names already are not added again.
 */
export function addMkinitcpioModules(text: string, modules: readonly string[]): string {
  const match = /^([ \t]*MODULES=)(\(([^)$`\\]*)\)|"([^"$`\\]*)")([ \t]*(?:#.*)?)$/m.exec(text);
  const code = text.replace(/^[ \t]*#.*$/gm, '');
  const named = new Set(code.split(/[^\w-]+/).map((word) => word.replaceAll('-', '_')));
  const missing = modules.filter((module) => !named.has(module));
  if (missing.length === 0) return text;
  if (!match)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}MODULES+=(${missing.join(' ')})\n`;
  const listed = (match[3] ?? match[4] ?? '').split(/\s+/).filter((word) => word !== '');
  const [open, close] = match[3] === undefined ? ['"', '"'] : ['(', ')'];
  const line = `${match[1] ?? ''}${open}${[...listed, ...missing].join(' ')}${close}${match[5] ?? ''}`;
  return `${text.slice(0, match.index)}${line}${text.slice(match.index + match[0].length)}`;
}
