import { describe, expect, it } from 'vitest';
import { parsePartitionTable } from '../../../activities/image/partition-table.ts';

function mbr(entries: { status?: number; type: number }[]): Buffer {
  const head = Buffer.alloc(32 * 1024);
  head.writeUInt32LE(0x71a00001, 440);
  entries.forEach(({ status = 0, type }, index) => {
    head[446 + index * 16] = status;
    head[446 + index * 16 + 4] = type;
  });
  head.writeUInt16LE(0xaa55, 510);
  return head;
}

function gpt(sectorBytes: number): Buffer {
  const head = mbr([{ type: 0xee }]);
  head.write('EFI PART', sectorBytes, 'latin1');
  head.writeBigUInt64LE(2n, sectorBytes + 72);
  head.writeUInt32LE(128, sectorBytes + 80);
  head.writeUInt32LE(128, sectorBytes + 84);
  const esp = '28732ac11ff8d211ba4b00a0c93ec93b';
  // Second slot: the first one is empty, as after a deleted partition.
  head.write(esp, 2 * sectorBytes + 128, 'hex');
  head.write('0102030405060708090a0b0c0d0e0f10', 2 * sectorBytes + 128 + 16, 'hex');
  return head;
}

describe('reading a partition table', () => {
  it('names MBR partitions as the kernel does', () => {
    const table = parsePartitionTable(mbr([{ status: 0x80, type: 0x83 }, { type: 0 }, { type: 0x8e }]));
    expect(table).toMatchObject({ kind: 'mbr', hasBootCode: false, blank: false });
    expect(table.partitions).toEqual([
      { number: 1, type: '0x83', partUuid: '71a00001-01' },
      { number: 3, type: '0x8e', partUuid: '71a00001-03' },
    ]);
  });

  it.each([512, 4096])('reads GPT on sectors of %i bytes', (sectorBytes) => {
    const { kind, partitions } = parsePartitionTable(gpt(sectorBytes));
    expect(kind).toBe('gpt');
    expect(partitions).toEqual([
      {
        number: 2,
        type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
        partUuid: '04030201-0605-0807-090a-0b0c0d0e0f10',
      },
    ]);
  });

  it('says when the kernel knows more partitions than it does', () => {
    expect(parsePartitionTable(mbr([{ type: 0x83 }, { type: 0x82 }])).hasMore).toBe(false);
    expect(parsePartitionTable(mbr([{ type: 0x83 }, { type: 0x0f }])).hasMore).toBe(true);
    // A protective entry whose GPT is damaged.
    expect(parsePartitionTable(mbr([{ type: 0xee }])).hasMore).toBe(true);
    expect(parsePartitionTable(gpt(512)).hasMore).toBe(false);
  });

  it('tells whether a disk is meant to be booted', () => {
    expect(parsePartitionTable(mbr([{ status: 0x80, type: 0xa5 }])).active).toBe(true);
    expect(parsePartitionTable(mbr([{ type: 0x83 }])).active).toBe(false);
  });

  it('takes boot code on GPT for some only where a partition belongs to it', () => {
    const bootable = (change: (head: Buffer) => void) => {
      const head = gpt(512);
      head.write('boot code', 0, 'latin1');
      change(head);
      return parsePartitionTable(head).hasBootCode;
    };
    const third = 2 * 512 + 2 * 128;
    expect(bootable(() => undefined)).toBe(false);
    expect(bootable((head) => head.write('4861682149646f6e744e656564454649', third, 'hex'))).toBe(true);
    expect(bootable((head) => head.writeUInt8(0x4, third - 128 + 48))).toBe(true);
    expect(bootable((head) => head.writeUInt8(0x1, third - 128 + 48))).toBe(false);
  });

  it('does not take a FAT boot sector for a partition table', () => {
    const head = mbr([{ status: 0x46, type: 0x41 }]);
    head.write('mkfs.fat', 3);
    expect(parsePartitionTable(head)).toMatchObject({ kind: 'none', partitions: [], hasBootCode: true });
  });

  it('knows a blank disk, and survives one that is shorter than a table', () => {
    expect(parsePartitionTable(Buffer.alloc(32 * 1024))).toMatchObject({ kind: 'none', blank: true });
    expect(parsePartitionTable(Buffer.alloc(100, 1))).toMatchObject({ kind: 'none', blank: false });
  });

  it('reads no further than it was given, whatever a GPT header claims', () => {
    const head = gpt(512);
    head.writeBigUInt64LE(2n ** 63n, 512 + 72);
    head.writeUInt32LE(0xffffffff, 512 + 80);
    expect(parsePartitionTable(head).partitions).toEqual([]);
  });
});
