/**
 * /etc/hosts with the old host name replaced wherever a line gives it to an address, in full and in short.
 * Names that only begin like it stay.
 */
export function renameInHosts(text: string, oldName: string, newName: string): string {
  const short = (name: string) => name.split('.')[0] ?? name;
  const renames = new Map([
    [short(oldName), short(newName)],
    [oldName, newName],
  ]);
  if (short(oldName) === 'localhost') return text;
  return text
    .split('\n')
    .map((line) => {
      const [, names = '', comment = ''] = /^([^#]*)(#.*)?$/.exec(line) ?? [];
      return names.replace(/(?<=\s)\S+/g, (name) => renames.get(name) ?? name) + comment;
    })
    .join('\n');
}

/** HOSTNAME= of /etc/sysconfig/network as RHEL 6 and older have it; files without the line stay as they are. */
export function renameInSysconfig(text: string, newName: string): string {
  return text.replace(/^([ \t]*HOSTNAME=).*$/gm, (_line, key: string) => `${key}${newName}`);
}
