/** The login line for /etc/inittab, inittab(5): with run levels for System V init, without for busybox. */
const sysvLine = 'S0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100';
const busyboxLine = 'ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100';

/**
 * A login on ttyS0 in /etc/inittab. Xen's consoles are gone after the move, so their lines become the serial
 * port's; otherwise a line is added.
 */
export function editInittab(text: string): string {
  if (/^[^#\n]*\bttyS0\b/m.test(text)) return text;
  const xen = /^([^#\n]*)\b(?:hvc|xvc)0\b(.*)$/m;
  if (xen.test(text)) {
    return text
      .split('\n')
      .map((line) => (line.trimStart().startsWith('#') ? line : line.replace(/\b(?:hvc|xvc)0\b/g, 'ttyS0')))
      .join('\n');
  }
  const line = /^[^#\n]*:initdefault:/m.test(text) ? sysvLine : busyboxLine;
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

/** An upstart job for a login on ttyS0, init(5) of upstart. */
export const upstartJob = `# Login on the first serial port.
start on stopped rc RUNLEVEL=[2345]
stop on runlevel [!2345]
respawn
exec /sbin/getty -L ttyS0 115200 vt100
`;
