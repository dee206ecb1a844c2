import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { physicalVolumes } from '../../../../activities/guest/linux/lvm.ts';
import { editDevicesFile, editLvmFilters, hasFilters } from '../../../../activities/guest/linux/lvm-text.ts';

const uuid = 'Fa4bWe-91Rz-Kq2x-Tn07-uYcM-3HdL-vS8gEo';
const pvid = uuid.replaceAll('-', '');
const other = 'a'.repeat(32);
const map = {
  diskCount: 2,
  volumes: [
    { device: '/dev/sda1', disk: 0, partition: 1, fsType: 'xfs', uuid: 'x' },
    { device: '/dev/sda3', disk: 0, partition: 3, fsType: 'LVM2_member', uuid, partUuid: 'p-3' },
    { device: '/dev/sdb', disk: 1, fsType: 'LVM2_member', uuid: 'b'.repeat(32) },
  ],
};
const volumes = physicalVolumes(map, undefined);

describe('physical volumes', () => {
  it('have the names of the new bus', () => {
    expect(volumes.map(({ name }) => name)).toEqual(['/dev/vda3', '/dev/vdb']);
    expect(physicalVolumes(map, 'scsi').map(({ name }) => name)).toEqual(['/dev/sda3', '/dev/sdb']);
  });
});

describe("LVM's devices file", () => {
  const head =
    '# LVM uses devices listed in this file.\n# HASH=2850317539\nPRODUCT_UUID=4c4c4544\nVERSION=1.1.2\n';

  it.each([
    [
      'what the disk said of itself',
      `IDTYPE=sys_wwid IDNAME=naa.6000c29f DEVNAME=/dev/sda3 PVID=${pvid} PART=3`,
    ],
    ['a serial number', `IDTYPE=sys_serial IDNAME=S1 DEVNAME=/dev/nvme0n1p3 PVID=${pvid} PART=3`],
    ['the old name', `IDTYPE=devname IDNAME=/dev/sda3 DEVNAME=/dev/sda3 PVID=${pvid} PART=3`],
  ])('finds a volume by where it is now instead of %s, once', (_, line) => {
    const now = `IDTYPE=devname IDNAME=/dev/vda3 DEVNAME=/dev/vda3 PVID=${pvid} PART=3`;
    const { text, missing } = editDevicesFile(`${head}${line}\n`, volumes);
    expect(text).toBe(`${head.replace('# HASH=2850317539\n', '')}${now}\n`);
    expect(missing).toEqual([]);
    expect(editDevicesFile(text, volumes).text).toBe(text);
  });

  it('keeps what moves along, and says which volume is not among the disks', () => {
    const kept = [
      `IDTYPE=crypt_uuid IDNAME=CRYPT-LUKS2-1-luks DEVNAME=/dev/mapper/luks PVID=${pvid}`,
      `IDTYPE=md_uuid IDNAME=6af DEVNAME=/dev/md127 PVID=${pvid}`,
      `IDTYPE=devname IDNAME=/dev/mapper/x DEVNAME=/dev/mapper/x PVID=${pvid}`,
      'IDTYPE=sys_wwid IDNAME=naa.1 DEVNAME=. PVID=.',
      `IDTYPE=sys_wwid IDNAME=naa.2 DEVNAME=/dev/sdz PVID=${other}`,
    ];
    const text = `${head}${kept.join('\n')}\n`;
    expect(editDevicesFile(text, volumes)).toEqual({ text, missing: [other] });
  });
});

describe('a filter of LVM', () => {
  const filter = (...patterns: string[]) =>
    `devices {\n\tfilter = [ ${patterns.map((each) => `"${each}"`).join(', ')} ]\n}\n`;

  it.each([
    ['one disk', ['a|^/dev/sda3$|', 'r|.*|'], ['a|^/dev/vda3$|', 'a|^/dev/vdb$|']],
    ['SCSI disks', ['a|/dev/sd[a-z]|', 'a/nvme/', 'r|.*|'], ['a|^/dev/vda3$|', 'a|^/dev/vdb$|']],
    ['names by id', ['a|/dev/disk/by-id/wwn-.*|', 'r|.*|'], ['a|^/dev/vda3$|', 'a|^/dev/vdb$|']],
    ['names by id and a UUID', ['a|^/dev/sdb|', `a|lvm-pv-uuid-${uuid}|`, 'r|.*|'], ['a|^/dev/vdb$|']],
  ])('that lets in %s lets in the new names, once', (_, patterns, added) => {
    const { text, unclear } = editLvmFilters(filter(...patterns), volumes);
    expect(text).toBe(filter(...added, ...patterns));
    expect(unclear).toEqual([]);
    expect(editLvmFilters(text, volumes).text).toBe(text);
  });

  it.each([
    ['lets all in', filter('a|.*|')],
    ['keeps some out', filter('r|/dev/cdrom|', 'a|.*|')],
    ['is about what moves along', filter('a|^/dev/mapper/luks|', 'r|.*|')],
    ['lets virtio in', filter('a|^/dev/sd|', 'a|^/dev/vd|', 'r|.*|')],
    ['is a comment', `devices {\n\t# filter = [ "a|^/dev/sda|", "r|.*|" ]\n}\n`],
  ])('that %s stays', (_, text) => {
    expect(editLvmFilters(text, volumes)).toEqual({ text, unclear: [] });
  });

  it('over several lines, or global, is one too; what takes long to try is told', () => {
    const long = '  global_filter = [\n    "a|^/dev/sda|",\n    "r|.*|",\n  ]\n';
    expect(editLvmFilters(long, volumes).text).toBe(
      '  global_filter = [ "a|^/dev/vda3$|", "a|^/dev/vdb$|", "a|^/dev/sda|", "r|.*|" ]\n',
    );
    expect(hasFilters(long)).toBe(true);
    for (const slow of ['a|(a*)*b|', 'a|.*.*.*.*.*x|', 'a|^/dev/(?=sd)|', 'nonsense', 'a|[|'])
      expect(editLvmFilters(filter(slow), volumes)).toEqual({ text: filter(slow), unclear: ['filter'] });
  });
});

describe('hostile files of LVM', () => {
  const word = fc.constantFrom('filter = ', '[', ']', '"a|^/dev/sda|"', '"r|.*|"', ',', ' ', '\n', '#', 'IDTYPE=devname ',
    'IDTYPE=sys_wwid ', 'IDNAME=/dev/sda3 ', `PVID=${pvid} `, 'PART=3', '"', '\t', '# HASH=1\n'); // prettier-ignore

  it('are edited once, whatever they hold, and nobody waits for them', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 60 }), (parts) => {
        const text = parts.join('');
        for (const edit of [editDevicesFile, editLvmFilters]) {
          const once = edit(text, volumes).text;
          expect(edit(once, volumes).text).toBe(once);
        }
      }),
      { numRuns: 300 },
    );
    const started = performance.now();
    editLvmFilters(`filter = [${' '.repeat(1000)}${'"a|b|"   ,   '.repeat(20_000)}`, volumes);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
