import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ClientCertificateCredential, ClientSecretCredential } from '@azure/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';

const MiB = 1024 * 1024;

let azure: Azure;
beforeAll(async () => {
  azure = await startAzure({ retryAfterSeconds: 0 });
});
afterAll(() => azure.close());

const tls = () => ({ tlsOptions: { ca: azure.ca } });
const login = (secret = azure.clientSecret) =>
  new ClientSecretCredential(azure.tenant, azure.clientId, secret, {
    authorityHost: azure.authorityHost,
    disableInstanceDiscovery: true,
    ...tls(),
  });
const compute = (credential = login()) =>
  new ComputeManagementClient(credential, azure.subscription, { endpoint: azure.resourceManager, ...tls() });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('logging in', () => {
  const scope = 'https://management.azure.com/.default';

  it('works with a secret', async () => {
    const { token, expiresOnTimestamp } = await login().getToken(scope);
    expect(token.split('.')).toHaveLength(3);
    expect(expiresOnTimestamp).toBeGreaterThan(Date.now() + 3000_000);
  });

  it('works with a certificate', async () => {
    const credential = new ClientCertificateCredential(
      azure.tenant,
      azure.clientId,
      { certificatePath: azure.clientCertificatePath },
      { authorityHost: azure.authorityHost, disableInstanceDiscovery: true, ...tls() },
    );
    expect((await credential.getToken(scope)).token).toBeTruthy();
  });

  it('with a wrong secret is refused in the words of Entra ID', async () => {
    await expect(login('wrong').getToken(scope)).rejects.toThrow(
      /AADSTS7000215: Invalid client secret provided/,
    );
  });
});

describe('listings', () => {
  it('come in pages that the clients follow', async () => {
    azure.settings.pageSize = 2;
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await azure.addVm({
        name,
        resourceGroup: 'Lists',
        disks: [{ sizeBytes: MiB }, { lun: 0, sizeBytes: MiB }],
      });
    azure.requests.clear();
    const vms = await all(compute().virtualMachines.list('LISTS'));
    expect(vms.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(azure.requests.of('arm', 'GET', /virtualMachines$/i)).toHaveLength(3);

    const network = new NetworkManagementClient(login(), azure.subscription, {
      endpoint: azure.resourceManager,
      ...tls(),
    });
    const nics = await all(network.networkInterfaces.listAll());
    expect(nics[0]?.macAddress).toMatch(/^00-0D-3A(-[0-9A-F]{2}){3}$/);
    azure.settings.pageSize = 200;
  });
});
