import { describe, expect, it } from 'vitest';
import { recognise, signatureBytes } from '../../../activities/image/signatures.ts';

function head(...parts: [offset: number, bytes: string, encoding?: BufferEncoding][]): Buffer {
  const buffer = Buffer.alloc(signatureBytes);
  for (const [offset, bytes, encoding = 'latin1'] of parts) buffer.write(bytes, offset, encoding);
  return buffer;
}

const uuid = '00112233-4455-6677-8899-aabbccddeeff';
const uuidHex = uuid.replaceAll('-', '');

describe('recognising what a volume holds', () => {
  it.each([
    // compatible, incompatible and read-only features, little-endian, as mke2fs sets them
    ['ext2', '38000000 02000000 03000000'],
    ['ext3', '3c000000 02000000 03000000'],
    ['ext4', '3c000000 c2020000 6b040000'],
    ['jbd', '00000000 08000000 00000000'],
  ])('%s by its features', (type, features) => {
    const block = head(
      [0x438, '53ef', 'hex'],
      [0x45c, features.replaceAll(' ', ''), 'hex'],
      [0x468, uuidHex, 'hex'],
      [0x478, 'root'],
    );
    expect(recognise(block)).toEqual([{ type, uuid, label: 'root' }]);
  });

  it('XFS, btrfs, swap, LUKS, physical volumes, FAT, NTFS and hibernation', () => {
    expect(recognise(head([0, 'XFSB'], [32, uuidHex, 'hex'], [108, 'data']))).toEqual([
      { type: 'xfs', uuid, label: 'data' },
    ]);
    expect(recognise(head([0x10040, '_BHRfS_M'], [0x10020, uuidHex, 'hex']))).toEqual([
      { type: 'btrfs', uuid },
    ]);
    expect(recognise(head([4086, 'SWAPSPACE2'], [1036, uuidHex, 'hex']))).toEqual([{ type: 'swap', uuid }]);
    expect(recognise(head([0, 'LUKS\xba\xbe'], [168, uuid]))).toEqual([{ type: 'crypto_LUKS', uuid }]);
    expect(recognise(head([512, 'LABELONE'], [536, 'LVM2 001']))).toEqual([{ type: 'LVM2_member' }]);
    const pvUuid = 'Fa4bWe-91Rz-Kq2x-Tn07-uYcM-3HdL-vS8gEo';
    expect(recognise(head([512, 'LABELONE'], [536, `LVM2 001${pvUuid.replaceAll('-', '')}`]))).toEqual([
      { type: 'LVM2_member', uuid: pvUuid },
    ]);
    expect(
      recognise(head([510, '\x55\xaa'], [82, 'FAT32   '], [67, '78563412', 'hex'], [71, 'NO NAME    '])),
    ).toEqual([{ type: 'vfat', uuid: '1234-5678' }]);
    expect(recognise(head([3, 'NTFS    '], [0x48, 'efcdab8967452301', 'hex']))).toEqual([
      { type: 'ntfs', uuid: '0123456789ABCDEF' },
    ]);
    expect(recognise(head([4086, 'S1SUSPEND']))).toEqual([{ type: 'swsuspend' }]);
  });

  it('swap and hibernation on larger pages, members of arrays, BitLocker, sealed ext4, wide btrfs', () => {
    expect(recognise(head([65_526, 'S1SUSPEND']))).toEqual([{ type: 'swsuspend' }]);
    expect(recognise(head([16_374, 'SWAPSPACE2'], [1036, uuidHex, 'hex']))).toEqual([{ type: 'swap', uuid }]);
    const member = head([4096, 'fc4e2ba9', 'hex'], [4112, uuidHex, 'hex'], [4128, 'host:0']);
    expect(recognise(member)).toEqual([{ type: 'linux_raid_member', uuid, label: 'host:0' }]);
    expect(recognise(head([3, '-FVE-FS-']))).toEqual([{ type: 'BitLocker' }]);
    expect(recognise(head([424, '3bd66749292ed84a8399f6a339e3d001', 'hex']))).toEqual([
      { type: 'BitLocker' },
    ]);
    const sealed = head(
      [0x438, '53ef', 'hex'],
      [0x45c, '3c000000c20200006b140000', 'hex'],
      [0x468, uuidHex, 'hex'],
    );
    expect(recognise(sealed)).toEqual([{ type: 'ext4', uuid, readOnly: true }]);
    const wide = head([0x10040, '_BHRfS_M'], [0x10020, uuidHex, 'hex'], [0x10088, '0200000000000000', 'hex']);
    expect(recognise(wide)).toEqual([{ type: 'btrfs', uuid, members: 2 }]);
  });

  it('more than one thing where an old signature was left, and nothing in data', () => {
    expect(recognise(head([0, 'XFSB'], [0x10040, '_BHRfS_M']))).toHaveLength(2);
    expect(recognise(Buffer.alloc(signatureBytes, 0x20))).toEqual([]);
    expect(recognise(Buffer.alloc(10))).toEqual([]);
  });
});
