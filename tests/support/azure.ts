import type { AzureOptions } from '../../activities/sources/azure/clouds.ts';
import { createSecretResolver } from '../../activities/host/secrets.ts';
import type { AzureSourceSpec } from '../../contracts/spec.ts';
import { azureSource } from '../../contracts/spec-sources.ts';
import type { Azure } from '../simulators/azure/azure.ts';

/** The settings of a worker that lead to the simulator. */
export const optionsOf = ({ authorityHost, resourceManager }: Azure): AzureOptions => ({
  authorityHost,
  resourceManager,
});

/** What sources need of a worker whose environment has the simulator's secret. */
export function azureDeps(azure: Azure, environment: Readonly<Record<string, string>> = {}) {
  return {
    azure: optionsOf(azure),
    resolveSecret: createSecretResolver({
      environment: { AZURE_SECRET: azure.clientSecret, ...environment },
    }),
  };
}

/** The source of a spec, logged in by the secret. */
export function azureSpec(azure: Azure, source: Readonly<Record<string, unknown>>): AzureSourceSpec {
  return azureSource.parse({
    kind: 'azure',
    subscription: azure.subscription,
    resourceGroup: 'prod',
    login: { tenant: azure.tenant, client: azure.clientId, secret: 'env:AZURE_SECRET' },
    ...source,
  });
}
