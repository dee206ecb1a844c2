import { describe, expect, it } from 'vitest';
import { readDescriptor } from '../../../../activities/sources/archive/ovf/descriptor.ts';
import { quantityInBytes } from '../../../../activities/sources/archive/ovf/units.ts';
import {
  diskItem,
  item,
  oneDiskOvf,
  ovfText,
  scsiController,
  systemText,
} from '../../../support/ovf-texts.ts';

const GiB = 2 ** 30;
const read = (text: string | Buffer, wanted?: string) =>
  readDescriptor(Buffer.from(text), 'web01.ovf', wanted);
const plain = oneDiskOvf('disk.vmdk', GiB);

function refusal(text: string | Buffer, wanted?: string): { code: string; found: string; details: object } {
  try {
    read(text, wanted);
  } catch (error) {
    return error as { code: string; found: string; details: object };
  }
  throw new Error('it was taken');
}

describe('quantities', () => {
  it.each([
    ['2048', 'byte * 2^20', 2 * GiB],
    ['2048', 'byte*2^20', 2 * GiB],
    ['2', 'byte * 2^30', 2 * GiB],
    ['2', 'bytes * 2^30', 2 * GiB],
    ['2097152', 'byte * 1024', 2 * GiB],
    ['5', 'byte * 10^9', 5e9],
    ['2048', 'MegaBytes', 2 * GiB],
    ['2048', 'MB', 2 * GiB],
    ['2', 'GigaBytes', 2 * GiB],
    ['2', 'GB', 2 * GiB],
    ['2147483648', 'byte', 2 * GiB],
    ['10', 'hertz * 10^6', undefined],
    ['-5', 'byte', undefined],
    ['1e9', 'byte', undefined],
    ['', 'byte', undefined],
    // A property, which nobody has set.
    ['${disk.size}', 'byte * 2^30', undefined],
    ['9', 'byte * 2^99', undefined],
    ['1', 'constructor', undefined],
  ])('%s of %s is %s bytes', (quantity, unit, bytes) => expect(quantityInBytes(quantity, unit)).toBe(bytes));
});

describe('the VMs of a descriptor', () => {
  const vms = [
    '<VirtualSystemCollection ovf:id="shop">',
    systemText({ name: 'web01' }),
    systemText({ name: 'db01' }),
    '</VirtualSystemCollection>',
  ].join('\n');
  const several = ovfText({ files: [], disks: [] }, vms);

  it('are asked for when there are several, with their names', () => {
    const { code, found, details } = refusal(several);
    expect(code).toBe('ARCHIVE_AMBIGUOUS');
    expect(found).toContain('web01, db01');
    expect(details).toEqual({ systems: ['web01', 'db01'] });
  });

  it('are told apart by name', () => expect(read(several, 'db01').name).toBe('db01'));

  it('are not guessed from a name that is nearly right', () => {
    const { code, found } = refusal(several, 'db1');
    expect(code).toBe('ARCHIVE_AMBIGUOUS');
    expect(found).toContain('db01');
  });

  it('are told apart by id where the name is the same', () => {
    const same = several.replace('<Name>db01', '<Name>web01');
    expect(refusal(same, 'web01').details).toEqual({ systems: ['web01', 'db01'] });
    expect(read(same, 'db01').name).toBe('web01');
  });

  it('cannot be none', () => expect(refusal(ovfText({ files: [], disks: [] }, '')).code).toBe('OVF_INVALID'));
});

describe('the disks of a descriptor', () => {
  it('are refused when one is at a place that is not understood', () =>
    expect(refusal(plain.replace('ovf:/disk/vmdisk1', 'pool/volume7'))).toMatchObject({
      code: 'OVF_UNSUPPORTED',
      found: expect.stringContaining('pool/volume7') as string,
    }));

  it('follow their controllers: IDE, SCSI, SATA, NVMe, each by address', () => {
    const controller = (id: number, type: number, address: number, subtype = 'x') =>
      item({ Address: address, InstanceID: id, ResourceSubType: subtype, ResourceType: type });
    const names = ['nvme', 'sata', 'scsi1', 'scsi0b', 'scsi0a', 'ide', 'loose'];
    const text = ovfText({
      files: names.map((name) => ({ id: name, href: `${name}.vmdk` })),
      disks: names.map((name) => ({ id: name, file: name, capacity: GiB })),
      items: [
        controller(3, 20, 0, 'vmware.nvme.controller'),
        controller(4, 20, 0, 'vmware.sata.ahci'),
        controller(5, 6, 1),
        controller(6, 6, 0),
        controller(7, 5, 0),
        diskItem(20, 'loose', 99, 0),
        diskItem(21, 'nvme', 3, 0),
        diskItem(22, 'sata', 4, 0),
        diskItem(23, 'scsi1', 5, 0),
        diskItem(24, 'scsi0b', 6, 10),
        diskItem(25, 'scsi0a', 6, 9),
        diskItem(26, 'ide', 7, 0),
      ].join('\n'),
    });
    expect(read(text).disks.map(({ id }) => id)).toEqual([
      'ide',
      'scsi0a',
      'scsi0b',
      'scsi1',
      'sata',
      'nvme',
      'loose',
    ]);
  });

  it.each([
    'https://images.example/disk.vmdk',
    'file:///etc/shadow',
    '/etc/shadow',
    '../disk.vmdk',
    'a/../../disk.vmdk',
    String.raw`..\disk.vmdk`,
    String.raw`C:\disk.vmdk`,
    'nbd:unix:/run/x',
    '//server/share/disk.vmdk',
    '',
  ])('may not lie at %j', (href) => {
    expect(refusal(oneDiskOvf(href, GiB)).code).toBe('OVF_UNSUPPORTED');
  });

  it.each([
    ['a parent', { more: 'ovf:parentRef="vmdisk0"' }, 'OVF_UNSUPPORTED', 'vmdisk0'],
    ['a file that is not described', { file: 'file9' }, 'OVF_INVALID', 'file9'],
  ])('may not have %s', (_what, disk, code, named) => {
    const error = refusal(
      oneDiskOvf('disk.vmdk', GiB, { disks: [{ id: 'vmdisk1', file: 'file1', capacity: GiB, ...disk }] }),
    );
    expect(error.code).toBe(code);
    expect(error.found).toContain(named);
  });

  it('may not be compressed in a way that is not known', () => {
    const files = [{ id: 'file1', href: 'disk.vmdk.xz', more: 'ovf:compression="xz"' }];
    expect(refusal(oneDiskOvf('', GiB, { files })).code).toBe('OVF_UNSUPPORTED');
  });

  it('may say that they are not compressed', () => {
    const files = [{ id: 'file1', href: 'disk.vmdk', more: 'ovf:compression="identity"' }];
    expect(read(oneDiskOvf('', GiB, { files })).disks[0]?.file).toEqual({ href: 'disk.vmdk', gzip: false });
  });

  it('are named when no VM has them, in any of its options', () => {
    const ids = ['system', 'lost', 'blank', 'large', 'db', 'byFile'];
    const text = ovfText(
      {
        files: ids.map((id) => ({ id: `f-${id}`, href: `${id}.vmdk` })),
        disks: ids.map((id) => ({ id, file: id === 'blank' ? '' : `f-${id}`, capacity: GiB })),
      },
      [
        '<VirtualSystemCollection ovf:id="shop">',
        systemText({
          items: [
            diskItem(7, 'system', 3, 0),
            diskItem(8, 'large', 3, 1).replace('<Item', '<Item ovf:configuration="large"'),
            diskItem(9, 'f-byFile', 3, 2).replace('ovf:/disk/', '/file/'),
          ].join('\n'),
        }),
        systemText({ name: 'db01', items: diskItem(7, 'db', 3, 0) }),
        '</VirtualSystemCollection>',
      ].join('\n'),
    );
    expect(read(text, 'web01').unusedDisks).toEqual(['lost (lost.vmdk)', 'blank']);
  });

  it('may not be one disk twice', () => {
    const items = [scsiController(3), diskItem(7, 'vmdisk1', 3, 0), diskItem(8, 'vmdisk1', 3, 1)].join('\n');
    expect(refusal(oneDiskOvf('disk.vmdk', GiB, { items })).code).toBe('OVF_INVALID');
  });
});

describe('deployment options', () => {
  const options = (marked: string) =>
    oneDiskOvf('disk.vmdk', GiB, {
      envelope: `<DeploymentOptionSection><Configuration ovf:id="small"/><Configuration ovf:id="large" ${marked}/></DeploymentOptionSection>`,
      items: [
        item(
          { AllocationUnits: 'byte * 2^20', InstanceID: 2, ResourceType: 4, VirtualQuantity: 8192 },
          ' ovf:configuration="large"',
        ),
        item(
          { AllocationUnits: 'byte * 2^20', InstanceID: 2, ResourceType: 4, VirtualQuantity: 512 },
          ' ovf:bound="min"',
        ),
      ].join('\n'),
    });

  it('take the default that is marked, whose items replace those of all', () =>
    expect(read(options('ovf:default="true"'))).toMatchObject({ memoryMiB: 8192, option: 'large' }));

  it('take the first when none is marked; bounds do not count', () =>
    expect(read(options(''))).toMatchObject({ memoryMiB: 2048, option: 'small' }));
});

describe('network cards', () => {
  const withMac = (mac: string) => read(plain.replace('00:50:56:aa:bb:cc', mac)).nics;
  it.each([
    ['005056AABBCC', '00:50:56:aa:bb:cc'],
    ['00-50-56-AA-BB-CC', '00:50:56:aa:bb:cc'],
  ])('%s is the address %s', (written, mac) =>
    expect(withMac(written)).toEqual([{ mac, network: 'VM Network' }]),
  );

  it.each(['01:00:5e:00:00:01', '00:00:00:00:00:00', 'auto', '7', '00:50:56:aa:bb:cc:dd:ee'])(
    '%s is no address of a card',
    (written) => expect(withMac(written)).toEqual([{ network: 'VM Network' }]),
  );
});

describe('a text that is no descriptor', () => {
  const laughs = `<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "${'&a;'.repeat(1000)}">]>`;
  it.each([
    ['an entity bomb', plain.replace('<Envelope', `${laughs}<Envelope`)],
    [
      'an outside entity',
      plain.replace('<Envelope', '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Envelope'),
    ],
    ['a document type alone', plain.replace('<Envelope', '<!doctype Envelope><Envelope')],
    ['cut off', plain.slice(0, plain.length / 2)],
    ['cut off behind the system', plain.slice(0, plain.indexOf('</Envelope>'))],
    ['another document', '<html><body>404</body></html>'],
    ['empty', ''],
    ['binary', Buffer.from([0x4b, 0x44, 0x4d, 0x56, 0, 0xff, 0xfe])],
    ['in a wrong encoding', Buffer.from(plain.replace('VM Network', 'B\u00fcro'), 'latin1')],
    ['in an encoding that does not exist', plain.replace('UTF-8', 'ROT-13')],
    ['too large', plain.replace('</Envelope>', `${' '.repeat(4 * 2 ** 20)}</Envelope>`)],
    ['too deep', plain.replace('</Envelope>', `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}</Envelope>`)],
    ['of too many elements', plain.replace('</Envelope>', `${'<a/>'.repeat(200_000)}</Envelope>`)],
    ['two envelopes', `${plain}${plain.slice(plain.indexOf('<Envelope'))}`],
    ['followed by comments without end', `${plain}${'<!-- -->'.repeat(500)}<!--`],
  ])('is refused: %s', (_what, text) => {
    const started = performance.now();
    expect(refusal(text).code).toBe('OVF_INVALID');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('cannot reach what all objects have', () => {
    const text = plain.replace(
      '</Envelope>',
      '<__proto__><polluted>1</polluted></__proto__><constructor/></Envelope>',
    );
    try {
      read(text);
    } catch (error) {
      expect(error).toMatchObject({ code: 'OVF_INVALID' });
    }
    expect({}).not.toHaveProperty('polluted');
  });

  it('leaves an entity that nobody declared as it is written', () =>
    expect(read(plain.replace('>VM Network<', '>&evil; &amp;amp;<')).nics[0]?.network).toBe('&evil; &amp;'));
});
