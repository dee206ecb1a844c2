import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MalformedIndex,
  readModuleIndex,
  writeModuleIndex,
  type IndexEntry,
} from '../../../../activities/guest/initramfs/module-index.ts';

/** modules.alias.bin of depmod (kmod 30) for the modules below. */
const madeByDepmod = Buffer.from(
  `sAf0VwACAAEgAACqc192ZmF0AAAAAAEAAAABdmZhdABjaTp2MDAwMDFBRjRkKnN2KnNkKmJjKnNjKmkqAAAAAAEAAAAEdmlydGlvX3BjaQB2KgAAAAABAAAAAnZpcnRpb19ibGsAdioAAAAAAQAAAAV2aXJ0aW9fc2NzaQBpcnRpbzpkMDAwMDAwMAAyOMAAAFAAAAAAAAAAAAAAAAAAAAAAAAAAAMAAAGZmdsAAAAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAACgAAB9`,
  'base64',
);

/** That of depmod since kmod 34, which writes nodes before their children. */
const madeByNewDepmod = Buffer.from(
  `sAf0VwACAAEgAAAMZnbAAABSAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwAAAZgAAAAAAAAAAAAAAAAAAAAAAAAAAoAAAnXNfdmZhdAAAAAABAAAAAXZmYXQAY2k6djAwMDAxNUFEZDAwMDAwN0Mwc3Yqc2QqYmMqc2MqaSoAAAAAAQAAAAB2bXdfcHZzY3NpAGlydGlvOmQwMDAwMDAwADI4wAAAygAAAAAAAAAAAAAAAAAAAAAAAAAAwAAA4HYqAAAAAAEAAAACdmlydGlvX2JsawB2KgAAAAABAAAAA3ZpcnRpb19zY3NpAA==`,
  'base64',
);

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'v', 'i', '_', ':', '*', '0'), maxLength: 8 });

describe('the index that modprobe reads', () => {
  it('is read and written as depmod does', () => {
    const entries = readModuleIndex(madeByDepmod);
    expect(entries.map((entry) => [entry.key, entry.value])).toEqual([
      ['fs_vfat', 'vfat'],
      ['pci:v00001AF4d*sv*sd*bc*sc*i*', 'virtio_pci'],
      ['virtio:d00000002v*', 'virtio_blk'],
      ['virtio:d00000008v*', 'virtio_scsi'],
    ]);
    expect(writeModuleIndex(entries).equals(madeByDepmod)).toBe(true);
  });

  it('is read as newer depmods write it, parents first', () => {
    const entries = readModuleIndex(madeByNewDepmod);
    expect(entries.map((entry) => [entry.key, entry.value])).toEqual([
      ['fs_vfat', 'vfat'],
      ['pci:v000015ADd000007C0sv*sd*bc*sc*i*', 'vmw_pvscsi'],
      ['virtio:d00000002v*', 'virtio_blk'],
      ['virtio:d00000008v*', 'virtio_scsi'],
    ]);
    expect(readModuleIndex(writeModuleIndex(entries))).toEqual(entries);
  });

  it('gives back whatever was put into it, by key and priority', () => {
    const entry = fc.record({ key, value: fc.constantFrom('x', 'y', 'kernel/a.ko:'), priority: fc.nat(9) });
    const unique = fc.uniqueArray(entry, { selector: (one) => `${one.key} ${one.value}` });
    fc.assert(
      fc.property(unique, (entries) => {
        const read = readModuleIndex(writeModuleIndex(entries));
        const shape = (list: readonly IndexEntry[]) =>
          list.map((one) => `${one.key}|${one.priority}|${one.value}`).sort();
        expect(shape(read)).toEqual(shape(entries));
      }),
    );
  });

  it('is refused when it is damaged, and never read without end', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(madeByDepmod, madeByNewDepmod),
        fc.nat(madeByDepmod.length - 1),
        fc.nat(255),
        fc.nat(madeByDepmod.length),
        (index, at, byte, end) => {
          const damaged = Buffer.from(index.subarray(0, end));
          if (at < damaged.length) damaged[at] = byte;
          try {
            expect(readModuleIndex(damaged).length).toBeLessThan(damaged.length);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedIndex);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is refused when its nodes lead to one another', () => {
    const loop = writeModuleIndex([
      { key: 'ab', value: 'x', priority: 0 },
      { key: 'cd', value: 'y', priority: 0 },
    ]);
    // The root's first child becomes the root itself.
    const root = loop.readUInt32BE(8);
    loop.writeUInt32BE(root, (root & 0x0fffffff) + 2);
    expect(() => readModuleIndex(loop)).toThrow(MalformedIndex);
  });

  it('is refused when many of its nodes lead to one', () => {
    // Each of 30 levels has two ways to the next: followed all, a thousand million.
    const node = (child: number) => {
      const bytes = Buffer.alloc(10);
      bytes.writeUInt8(0, 0);
      bytes.writeUInt8(1, 1);
      bytes.writeUInt32BE(child, 2);
      bytes.writeUInt32BE(child, 6);
      return bytes;
    };
    const head = Buffer.from('b007f4570002000120000000', 'hex');
    const levels = Array.from({ length: 30 }, (_, level) => 0x20000000 + head.length + (level + 1) * 10);
    head.writeUInt32BE(0x20000000 + head.length, 8);
    const ways = Buffer.concat([head, ...levels.map(node), node(0)]);
    expect(() => readModuleIndex(ways)).toThrow('lead to one another');
  });

  it('is refused when its keys are endless', () => {
    const long = writeModuleIndex([{ key: 'a'.repeat(5000), value: 'x', priority: 0 }]);
    expect(() => readModuleIndex(long)).toThrow('too long');
  });
});
