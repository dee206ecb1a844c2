import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ClientSecretCredential } from '@azure/identity';
import type { Azure } from '../../simulators/azure/azure.ts';

/** What makes the SDK's clients trust the simulator. */
export const trust = ({ ca }: Azure) => ({ tlsOptions: { ca } });

/** Where and how to log in. MSAL would else ask the public cloud whether it knows this authority. */
export const authority = (azure: Azure) => ({
  authorityHost: azure.authorityHost,
  disableInstanceDiscovery: true,
  ...trust(azure),
});

export const login = (azure: Azure, secret = azure.clientSecret) =>
  new ClientSecretCredential(azure.tenant, azure.clientId, secret, authority(azure));

export const computeClient = (azure: Azure, credential = login(azure)) =>
  new ComputeManagementClient(credential, azure.subscription, {
    endpoint: azure.resourceManager,
    ...trust(azure),
  });

export const networkClient = (azure: Azure) =>
  new NetworkManagementClient(login(azure), azure.subscription, {
    endpoint: azure.resourceManager,
    ...trust(azure),
  });

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
