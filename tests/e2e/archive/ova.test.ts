import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { renderReportMarkdown } from '../../../contracts/report-markdown.ts';
import { guestDisks } from '../../guests/guests.ts';
import { bootRetries } from '../../guests/machine.ts';
import { type OvaOptions, writeOva } from '../../support/ova.ts';
import { diskItem, nicItem, oneDiskOvf, scsiController } from '../../support/ovf-texts.ts';
import { host, scratch, withHost } from '../guests/host.ts';

withHost();

const mac = '00:50:56:aa:bb:cc';

/** A real guest as an appliance: its streamOptimized VMDK, a descriptor and a manifest in one .ova. */
async function ovaOfGuest(more: Partial<OvaOptions> = {}): Promise<string> {
  const [disk = ''] = await guestDisks('tiny', 'vmdk-stream');
  const [raw = ''] = await guestDisks('tiny', 'raw');
  const directory = join(scratch, 'appliance');
  await mkdir(directory, { recursive: true });
  await copyFile(disk, join(directory, 'tiny-disk1.vmdk'));
  const descriptor = oneDiskOvf('tiny-disk1.vmdk', (await stat(raw)).size, {
    items: [scsiController(3), diskItem(7, 'vmdisk1', 3, 0), nicItem(8, 'VM Network', mac)].join('\n'),
  });
  const ova = join(scratch, 'web01.ova');
  await writeOva(ova, { directory, descriptor, files: ['tiny-disk1.vmdk'], ...more });
  return ova;
}

describe('a guest in an OVA', () => {
  afterEach(() => host.remove('e2e-ova'));

  it('is a domain that boots, with the network card of its descriptor', { retry: bootRetries }, async () => {
    const ova = await ovaOfGuest();
    const report = await host.migrate('e2e-ova', [ova], ['--memory', '512', '--cpus', '1']);
    expect(report).toMatchObject({
      status: 'completed',
      disks: [{ format: 'qcow2', index: 0 }],
      boot: { sign: 'login-prompt' },
      domain: { nics: [{ mac }] },
    });
    expect(report.preflight?.disks[0]?.image).toMatchObject({
      path: ova,
      window: { name: 'tiny-disk1.vmdk' },
    });
  });

  it('is taken with --no-verify although its manifest is wrong, and the report says so', async () => {
    const wrong = (lines: string[]) => lines.map((line) => line.replace(/.{8}$/, '00000000'));
    const ova = await ovaOfGuest({ manifest: wrong });
    const options = ['--memory', '512', '--no-verify-boot'];
    const refused = await host.migrate('e2e-ova', [ova], options, [4]);
    expect(refused).toMatchObject({ status: 'failed', failure: { code: 'ARCHIVE_CHECKSUM' } });
    const report = await host.migrate('e2e-ova', [ova], [...options, '--no-verify']);
    expect(report).toMatchObject({ status: 'completed' });
    expect(renderReportMarkdown(report)).toContain(
      `the spec says that ${ova} is not to be compared with its manifest`,
    );
  });
});
