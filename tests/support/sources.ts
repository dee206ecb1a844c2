import { createSecretResolver } from '../../activities/host/secrets.ts';
import { createSources, type SourceOf } from '../../activities/sources/registry.ts';
import type { AzureOptions } from '../../activities/sources/azure/clouds.ts';
import { createTransferPlane, type TransferPlane } from '../../activities/transfer/transfer-plane.ts';

/** All sources, with an environment of the test's own. */
export function testSources(
  environment: Readonly<Record<string, string>> = {},
  azure: AzureOptions = {},
  transfer: TransferPlane = createTransferPlane({ connections: 4 }),
): SourceOf {
  return createSources({
    azure,
    resolveSecret: createSecretResolver({ environment }),
    transfer,
  });
}

export const testRun = { migrationId: 'migrate-test', runId: '00000000-0000-4000-8000-000000000001' };
