/**
 * Ubuntu's images for clouds start their kernel without its initramfs, and with it only after a panic:
 * GRUB_FORCE_PARTUUID of grub-mkconfig, and the environment variable that it has grub.cfg ask for.
 */

const asksForFailure = /^(\s*if \[ )"\$\{initrdfail\}"( = 1 \]; then\s*)$/;

/** grub.cfg whose entries take their initramfs at once. */
export function takeInitramfs(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(asksForFailure, '$11$2'))
    .join('\n');
}

/** Settings of grub-mkconfig without what has it write such entries. */
export function dropForcedPartUuid(text: string): string {
  return text
    .split('\n')
    .map((line) => (/^\s*(export\s+)?GRUB_FORCE_PARTUUID=\S/.test(line) ? `# ${line}` : line))
    .join('\n');
}
