import { ComputeManagementClient, type ComputeManagementClientOptionalParams } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ClientSecretCredential, type TokenCredential } from '@azure/identity';
import { Agent, request } from 'undici';
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

export const computeClient = (
  azure: Azure,
  credential: TokenCredential = login(azure),
  options: ComputeManagementClientOptionalParams = {},
) =>
  new ComputeManagementClient(credential, azure.subscription, {
    endpoint: azure.resourceManager,
    ...trust(azure),
    ...options,
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

/** An answer of Resource Manager as it is on the wire; `path` goes on behind the subscription. */
export async function onTheWire(azure: Azure, method: 'GET' | 'POST', path: string) {
  const dispatcher = new Agent({ connect: { ca: azure.ca } });
  const { token } = await login(azure).getToken('https://management.azure.com/.default');
  const url = `${azure.resourceManager}/subscriptions/${azure.subscription}${path}`;
  const headers = { authorization: `Bearer ${token}` };
  const response = await request(url, { method, headers, dispatcher });
  const text = await response.body.text();
  await dispatcher.close();
  const json = text === '' ? undefined : (JSON.parse(text) as unknown);
  return { status: response.statusCode, headers: response.headers, json };
}
