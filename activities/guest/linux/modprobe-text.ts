/** What keeps virtio out or names drivers of the old hypervisor: modprobe.d(5), modules-load.d(5), dracut.conf(5). */

const virtio = /^virtio([_-]\w+)*$/;
const networkDrivers =
  /^(vmxnet[23]?|vlance|pcnet32|e100|e1000e?|igbvf|ixgbevf|8139(too|cp)|ne2k[-_]pci|tulip|hv[-_]netvsc|netvsc|xennet|xen[-_](netfront|vnif)|ena|gve|prl_eth)$/;
const diskDrivers =
  /^(mpt(spi|sas|scsih|base|2sas|3sas)|BusLogic|(vmw_)?pvscsi|hv[-_](storvsc|blkvsc)|(stor|blk)vsc|xen[-_](blkfront|vbd)|xenblk|ata_piix|ahci|piix|sym53c8xx|megaraid\w*|aic7xxx|nvme)$/;
/**
 * Modules for paravirtual devices, whose loading fails where the hypervisor is another: a unit that fails at
 * every boot. Drivers of emulated PCI cards load and find nothing, and stay.
 */
const hypervisorModules =
  /^(vmhgfs|vmmemctl|vmblock|vmxnet|vmci|vsock|vmw_(balloon|vmci|vsock_vmci_transport|rdma)|vbox(guest|sf|video)|prl_(fs|tg|eth|vid|fs_freeze)|hv_\w+|hyperv_\w+|hid_hyperv|pci_hyperv|xen_?\w+)$/;

function editLines(text: string, edit: (line: string) => string): string {
  return text
    .split('\n')
    .map((line) => (line.endsWith('\r') ? `${edit(line.slice(0, -1))}\r` : edit(line)))
    .join('\n');
}

/** A module's name as the kernel writes it. */
function name(module: string): string {
  return module.replaceAll('-', '_');
}

/** Before a line that kept virtio out, so that whoever wrote it sees why it is none any more. */
export const letIn = '# Needed on KVM: ';

/**
 * A file of modprobe.d, or /etc/modprobe.conf. Aliases of network cards become virtio's, as does that of the
 * first disk adapter; aliases of more adapters, and lines that forbid virtio as hardening guides for other
 * hypervisors have them, become comments.
 */
export function editModprobe(text: string): string {
  let hasDisk = /^[ \t]*alias[ \t]+scsi_hostadapter\d*[ \t]+virtio_blk[ \t]*$/m.test(text);
  return editLines(text, (line) => {
    const [, lead = '', command = '', module = '', gap = '', rest = ''] =
      /^(\s*)(alias|install|blacklist)\s+(\S+)(\s*)(.*)$/.exec(line.trimEnd()) ?? [];
    if (command === 'blacklist') return virtio.test(module) ? letIn + line : line;
    if (command === 'install')
      return virtio.test(module) && /^(\/usr)?\/bin\/(true|false)\b/.test(rest) ? letIn + line : line;
    if (command !== 'alias') return line;
    if (virtio.test(module) && rest === 'off') return letIn + line;
    if (/^eth\d+$/.test(module) && networkDrivers.test(rest)) return `${lead}alias ${module}${gap}virtio_net`;
    if (!/^(scsi|ide|block)[_-]hostadapter\d*$/.test(module) || !diskDrivers.test(rest)) return line;
    if (hasDisk) return `#${line}`;
    hasDisk = true;
    return `${lead}alias ${module}${gap}virtio_blk`;
  });
}

/** /etc/modules or a file of modules-load.d: what only the old hypervisor has becomes a comment. */
export function editModulesList(text: string): string {
  return editLines(text, (line) => {
    const module = /^\s*([\w-]+)/.exec(line)?.[1];
    return module !== undefined && hypervisorModules.test(name(module)) ? `# ${line}` : line;
  });
}

/** dracut.conf: virtio is no longer among the drivers to leave out. */
export function editDracutConf(text: string): string {
  return editLines(text, (line) => {
    const [, lead, quote = '', list, tail] =
      /^(\s*omit_drivers\+?=)(["'])([^"'$`\\]*)\2(\s*(?:#.*)?)$/.exec(line) ?? [];
    if (list === undefined) return line;
    const kept = list.split(/(\s+)/).filter((word) => !virtio.test(word));
    const joined = kept.join('').replace(/\s+/g, ' ');
    return kept.join('') === list ? line : `${lead ?? ''}${quote}${joined}${quote}${tail ?? ''}`;
  });
}
