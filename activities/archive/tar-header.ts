/** Whether a tar starts with this block. */
export function isTarHeader(block: Buffer): boolean {
  return block.toString('latin1', 257, 262) === 'ustar';
}
