import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectVms } from '../../../activities/sources/select.ts';
import { selectors } from '../../../contracts/batch-select.ts';
import { placedVm } from '../../../contracts/batch-vms.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps, azureSpec } from '../../support/azure.ts';
import { startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';

const GiB = 2 ** 30;
let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
  const disks = [{ sizeBytes: 30 * GiB }, { lun: 0, sizeBytes: 10 * GiB }];
  await azure.addVm({ name: 'web01', resourceGroup: 'Prod', tags: { Env: 'prod', wave: '1' }, disks });
  await azure.addVm({ name: 'web02', resourceGroup: 'Prod', tags: { env: 'test' }, disks });
  await azure.addVm({ name: 'dc01', resourceGroup: 'core', osType: 'Windows', tags: { env: 'prod' }, disks });
});
afterAll(() => azure.close());

describe('a batch that looks into Azure', () => {
  it('finds VMs by tags and system, as entries that make whole specs with the login of the selector', async () => {
    const { login } = azureSpec(azure, { vm: 'any' });
    const selector = selectors.parse({
      azure: { subscription: azure.subscription, all: true, login, tags: ['env=prod', 'wave'], os: 'linux' },
    });
    const { vms, gaps } = await selectVms(selector, azureDeps(azure), testIo());
    expect(gaps).toEqual([]);
    expect(vms).toMatchObject([{ name: 'web01', sizeGiB: 40 }]);
    const placed = placedVm(vms[0]?.entry ?? {}, {
      waves: [{ name: 'all' }],
      defaults: { source: { whenRunning: 'snapshot' }, target: { pool: 'vms' } },
      baseDir: '/',
    });
    expect(placed).toMatchObject({
      vm: {
        migrationId: expect.stringMatching(/^migrate-azure-web01-/) as string,
        spec: {
          name: 'web01',
          source: {
            kind: 'azure',
            vm: 'web01',
            resourceGroup: expect.stringMatching(/^prod$/i) as string,
            whenRunning: 'snapshot',
            login,
          },
          target: { pool: 'vms', host: 'any' },
        },
      },
    });
  });

  it('says so when the login is not taken', async () => {
    const selector = selectors.parse({
      azure: {
        subscription: azure.subscription,
        all: true,
        login: { tenant: azure.tenant, client: azure.subscription, secret: 'env:AZURE_SECRET' },
      },
    });
    await expect(selectVms(selector, azureDeps(azure), testIo())).rejects.toMatchObject({
      code: 'AZURE_LOGIN_FAILED',
    });
  });
});
