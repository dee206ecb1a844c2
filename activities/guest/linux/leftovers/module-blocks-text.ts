const virtio = 'virtio(?:[_-](?:blk|scsi|net|pci|ring|console|balloon|rng|gpu))?';
const blacklist = new RegExp(`^[ \\t]*blacklist[ \\t]+${virtio}[ \\t]*(?:#.*)?$`);
const disarmed = new RegExp(`^[ \\t]*install[ \\t]+${virtio}[ \\t]+(?:/usr)?/bin/(?:true|false)\\b`);
const note = '# Needed on KVM: ';

/** modprobe.d(5): comments out lines that keep drivers of virtio from being loaded. */
export function unblockVirtio(text: string): string {
  return text
    .split('\n')
    .map((line) => (blacklist.test(line) || disarmed.test(line) ? `${note}${line}` : line))
    .join('\n');
}
