/** e_machine of an ELF header, elf(5), in uname(1)'s words. */
const machines: Record<number, string> = {
  0x03: 'i686',
  0x15: 'ppc64',
  0x16: 's390x',
  0x28: 'armv7l',
  0x3e: 'x86_64',
  0xb7: 'aarch64',
  0xf3: 'riscv64',
};

/** How many bytes `elfArchitecture` looks at. */
export const elfHeaderBytes = 20;

/** The processor an executable is for; undefined for anything that is not ELF or not known. */
export function elfArchitecture(header: Buffer): string | undefined {
  if (header.length < elfHeaderBytes || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const littleEndian = header[5] === 1;
  const machine = machines[littleEndian ? header.readUInt16LE(18) : header.readUInt16BE(18)];
  return machine === 'ppc64' && littleEndian ? 'ppc64le' : machine;
}
