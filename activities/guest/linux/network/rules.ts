import { add, asMac, nothing, type NamedInterfaces } from './model.ts';

const ruleMac = /ATTRS?\{address\}=="([0-9A-Fa-f:]{17})"|SYSFS\{address\}=="([0-9A-Fa-f:]{17})"/;
const ofOldHardware =
  /(KERNELS|ENV\{ID_PATH\}|DRIVERS|ENV\{ID_NET_DRIVER\}|ATTRS?\{device\/)\S*=="(?!\?\*")[^"]+"/;

/** Rules of udev that name interfaces, one a line: udev(7), and what write_net_rules made of it. */
export function readPersistentRules(text: string): NamedInterfaces {
  const found = nothing();
  for (const line of text.split('\n')) {
    if (line.trimStart().startsWith('#')) continue;
    const match = ruleMac.exec(line);
    const mac = asMac(match?.[1] ?? match?.[2]);
    const name = /\bNAME:?="([^"%$]+)"/.exec(line)?.[1];
    if (name === undefined) continue;
    if (mac !== undefined) add(found, { name, mac });
    else if (/SUBSYSTEM=="net"|KERNEL=="(eth|en)/.test(line) && ofOldHardware.test(line))
      found.remarks.push(`The rule that names ${name} finds its card by what the old hardware had.`);
  }
  return found;
}

/** nameif(8)'s /etc/mactab, which mdev uses: a name and a MAC on each line. */
export function readMactab(text: string): NamedInterfaces {
  const found = nothing();
  for (const [, name, address] of text.matchAll(mactabLine)) {
    const mac = asMac(address);
    if (name !== undefined && mac !== undefined) add(found, { name, mac });
  }
  return found;
}

/** The same with the MACs of the cards that are there now. */
export function renewMactab(text: string, renewed: ReadonlyMap<string, string>): string {
  return text.replace(mactabLine, (line: string, _: string, old: string) =>
    line.replace(old, renewed.get(asMac(old) ?? '') ?? old),
  );
}

const mactabLine = /^[ \t]*([^\s#]+)[ \t]+(?:\S+[ \t]+)*?(?:mac=)?([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})\b/gm;

/** A rule that does nothing but give a name, so that nothing else is lost with it. */
const onlyNames =
  /(?<![=!])(?<!:)\b(RUN|PROGRAM|IMPORT|ENV\{[^}]*\}|ATTR\{[^}]*\}|GOTO|TAG|OPTIONS)\s*(\+=|:=|=(?!=))/;

/** The rules without those that name cards whose MAC is not among the VM's, and without the comments before them. */
export function dropStaleRules(text: string, macs: ReadonlySet<string>): string {
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    const mac = ruleMac.exec(line);
    const address = asMac(mac?.[1] ?? mac?.[2]);
    if (
      address === undefined ||
      macs.has(address) ||
      line.trimStart().startsWith('#') ||
      !/\bNAME:?=/.test(line) ||
      onlyNames.test(line)
    ) {
      kept.push(line);
      continue;
    }
    while (/^\s*#\s*(PCI|USB|net) device/i.test(kept.at(-1) ?? '')) kept.pop();
  }
  return kept.join('\n');
}

const header = 'Written by Longhaul: keeps the name that the network configuration of this system uses.';

/** systemd.link(5). `Path=` leaves out VLANs and bridges, which carry the card's MAC but lie on no bus. */
export function linkFile(name: string, mac: string): string {
  return `# ${header}\n[Match]\nMACAddress=${mac}\nPath=*\n\n[Link]\nName=${name}\n`;
}

/** The same as rules of udev, for all names. */
export function udevRules(names: readonly { name: string; mac: string }[]): string {
  const rules = names.map(
    ({ name, mac }) =>
      `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{type}=="1", NAME="${name}"\n`,
  );
  return `# ${header}\n${rules.join('')}`;
}
