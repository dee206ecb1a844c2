import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  awaitedDatasources,
  datasourceSettings,
  dropIn,
  editIdentifyConfig,
  seedFor,
} from '../../../../../activities/guest/linux/leftovers/cloud-datasource-text.ts';
import { dropLentDisks } from '../../../../../activities/guest/linux/leftovers/resource-disk-text.ts';
import { programsOf } from '../../../../../activities/guest/linux/leftovers/udev-programs-text.ts';

/** Text made of what the editors look for, in any order. */
const shreds = (...words: string[]) =>
  fc
    .array(
      fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('\n', ' ', '\t', '#', ',', ':', '"', ...words)),
    )
    .map((parts) => parts.join(''));

describe('the datasource that cloud-init is pinned to', () => {
  const config = (name: string, text: string) => ({ path: `/etc/cloud/cloud.cfg.d/${name}`, text });

  it('is what the file says that sorts last', () => {
    const settings = datasourceSettings([
      { path: '/etc/cloud/cloud.cfg', text: 'users: []\ndatasource_list: [Ec2]\n' },
      config('90-azure.cfg', 'datasource_list: [ Azure ]\n'),
      config('91-off.cfg', '# datasource_list: [ Ec2 ]\n'),
    ]);
    expect(settings).toEqual({ list: ['Azure'], path: '/etc/cloud/cloud.cfg.d/90-azure.cfg', broken: [] });
  });

  it('is not guessed from a file that is no YAML; the others count', () => {
    const settings = datasourceSettings([
      config('10.cfg', 'datasource_list:\n  - GCE\n  - ~\n'),
      config('20.cfg', 'datasource_list: [ Azure\n'),
    ]);
    expect(settings).toMatchObject({ list: ['GCE', 'None'], broken: ['/etc/cloud/cloud.cfg.d/20.cfg'] });
  });

  it.each([
    { what: 'one cloud', list: ['Azure', 'None'], awaited: ['Azure'] },
    {
      what: "Debian's long list, which ds-identify sorts out",
      list: ['NoCloud', 'Azure', 'Ec2', 'None'],
      awaited: [],
    },
    {
      what: 'that list without ds-identify',
      list: ['NoCloud', 'Ec2', 'None'],
      hasIdentify: false,
      awaited: ['Ec2'],
    },
    {
      what: 'a policy that goes on unseen',
      list: ['Ec2', 'GCE'],
      identify: 'policy: enabled\n',
      awaited: ['Ec2', 'GCE'],
    },
    {
      what: 'a datasource that ds-identify is told',
      list: undefined,
      identify: 'datasource: Ec2\n',
      awaited: ['Ec2'],
    },
    { what: 'a seed on disk', list: ['NoCloud'], awaited: [] },
    { what: 'no word of it', list: undefined, awaited: [] },
  ])('is waited for with $what: $awaited', ({ list, hasIdentify = true, identify = '', awaited }) => {
    expect(awaitedDatasources({ list, hasIdentify, identifyConfig: identify })).toEqual(awaited);
  });

  it('is gone once the drop-in is in force', () => {
    const { list } = datasourceSettings([
      config('90-azure.cfg', 'datasource_list: [ Azure ]\n'),
      config('zz.cfg', dropIn),
    ]);
    for (const hasIdentify of [true, false])
      expect(awaitedDatasources({ list, hasIdentify, identifyConfig: '' })).toEqual([]);
    const edited = editIdentifyConfig('policy: search,found=all,notfound=enabled\ndatasource: Azure\n');
    expect(edited).toBe('# policy: search,found=all,notfound=enabled\n# datasource: Azure\n');
  });

  it('is replaced by a seed with the instance id that the guest has', () => {
    expect(seedFor('i-0abc').metaData).toBe('instance-id: "i-0abc"\n');
  });

  it('never makes reading fail, whatever the files hold', () => {
    fc.assert(
      fc.property(shreds('datasource_list', '[', ']', '- ', 'Azure', '&a', '*a', '{'), (text) => {
        const { list } = datasourceSettings([config('x.cfg', text)]);
        awaitedDatasources({ list, hasIdentify: false, identifyConfig: text });
        expect(editIdentifyConfig(editIdentifyConfig(text))).toBe(editIdentifyConfig(text));
      }),
    );
  });
});

describe('the temporary disk of a cloud in /etc/fstab', () => {
  const azure =
    '/dev/disk/cloud/azure_resource-part1\t/mnt\tauto\tdefaults,nofail,x-systemd.requires=cloud-init.service,comment=cloudconfig\t0\t2';
  const ec2 = '/dev/xvdb /mnt auto defaults,nofail,comment=cloudconfig 0 2';
  const rest = 'UUID=1 / ext4 defaults 0 1\n/dev/sdb1 /mnt/data ext4 defaults 0 2\n';

  it('is commented out, and nothing else changes', () => {
    expect(dropLentDisks(`${rest}${azure}\n${ec2}\n`, [])).toBe(
      `${rest}# Lent by the former cloud, not migrated: ${azure}\n# Lent by the former cloud, not migrated: ${ec2}\n`,
    );
  });

  it('goes by either of the names that Azure has for it', () => {
    const named = '/dev/disk/azure/resource-part1 /mnt ext4 defaults 0 2\n';
    expect(dropLentDisks(named, [])).toBe(`# Lent by the former cloud, not migrated: ${named}`);
  });

  it('stays when a disk for it was migrated, unless Azure names it', () => {
    expect(dropLentDisks(`${azure}\n${ec2}\n`, ['/mnt'])).toBe(
      `# Lent by the former cloud, not migrated: ${azure}\n${ec2}\n`,
    );
  });

  it('is dropped once only, whatever the file holds', () => {
    fc.assert(
      fc.property(shreds(azure, ec2, '/dev/sdb1', '/mnt', 'comment=cloudconfig'), (text) => {
        const once = dropLentDisks(text, []);
        expect(dropLentDisks(once, [])).toBe(once);
      }),
    );
  });
});

describe('programs of udev rules', () => {
  it('are those run by absolute path, on lines that count', () => {
    const rules = `# RUN+="/bin/not"
SUBSYSTEM=="scsi", ATTRS{vendor}=="VMware*", RUN+="/bin/sh -c 'echo 180 >/sys$DEVPATH/timeout'"
KERNEL=="vd*", \\
  PROGRAM=="/opt/vendor/name-disk %k", SYMLINK+="%c"
IMPORT{program}="/usr/sbin/gone --x", RUN{builtin}+="kmod load x", RUN+="relative"
`;
    expect(programsOf(rules)).toEqual(['/bin/sh', '/opt/vendor/name-disk', '/usr/sbin/gone']);
  });
});
