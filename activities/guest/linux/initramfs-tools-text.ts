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

/** Adds modules to the MODULES array of mkinitcpio.conf(5); undefined when it has none that can be read. */
export function addMkinitcpioModules(text: string, modules: readonly string[]): string | undefined {
  const match = /^([ \t]*MODULES=)(\(([^)$`\\]*)\)|"([^"$`\\]*)")[ \t]*(#.*)?$/m.exec(text);
  if (!match) return undefined;
  const listed = (match[3] ?? match[4] ?? '').split(/\s+/).filter((word) => word !== '');
  const all = [...listed, ...modules.filter((module) => !listed.includes(module))];
  const [open, close] = match[3] === undefined ? ['"', '"'] : ['(', ')'];
  return `${text.slice(0, match.index)}${match[1] ?? ''}${open}${all.join(' ')}${close}${text.slice(match.index + match[0].length)}`;
}
