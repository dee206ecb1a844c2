/**
 * A login on ttyS0 in /etc/inittab, inittab(5): with run levels for System V init, without for busybox. Xen's
 * consoles are gone after the move, so their lines become the serial port's; otherwise a line is added.
 *
 * @param getty the guest's program for it
 */
export function editInittab(text: string, getty: string): string {
  if (/^[^#\n]*\bttyS0\b/m.test(text)) return text;
  const xen = /^([^#\n]*)\b(?:hvc|xvc)0\b(.*)$/m;
  if (xen.test(text)) return withoutXenConsole(text);
  const login = `respawn:${getty} -L ttyS0 115200 vt100`;
  const line = /^[^#\n]*:initdefault:/m.test(text) ? `S0:2345:${login}` : `ttyS0::${login}`;
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

/** Xen's consoles in lines that are no comments become the serial port. */
export function withoutXenConsole(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.trimStart().startsWith('#') ? line : line.replace(/\b(?:hvc|xvc)0\b/g, 'ttyS0')))
    .join('\n');
}

/** Where root may sign in, securetty(5): on the serial port where it was allowed to on Xen's console. */
export function editSecuretty(text: string): string {
  const lines = text.split('\n');
  if (lines.includes('ttyS0')) return text;
  const at = lines.findIndex((line) => /^(hvc|xvc)0[ \t\r]*$/.test(line));
  return at < 0 ? text : lines.with(at, 'ttyS0').join('\n');
}

/** An upstart job for a login on ttyS0, init(5) of upstart. */
export const upstartJob = `# Login on the first serial port.
start on stopped rc RUNLEVEL=[2345]
stop on runlevel [!2345]
respawn
exec /sbin/getty -L ttyS0 115200 vt100
`;
