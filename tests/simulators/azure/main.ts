import { readFileSync } from 'node:fs';
import { startAzure } from './azure.ts';
import type { AzureOptions } from './settings.ts';
import type { VmInput } from './vm-input.ts';

/*
 * The simulator as a process of its own:
 *
 *     node tests/simulators/azure/main.ts [CONFIG.json]
 *
 * CONFIG: {"options": AzureOptions, "vms": VmInput[]}, disks' content as {"file": PATH}. When all is in place it
 * prints one line of JSON with the addresses and identities, and runs until standard input ends or SIGTERM
 * comes. Give its children NODE_EXTRA_CA_CERTS=caPath.
 */
const [, , configPath] = process.argv;
const config = (configPath === undefined ? {} : JSON.parse(readFileSync(configPath, 'utf8'))) as {
  options?: AzureOptions;
  vms?: VmInput[];
};
const azure = await startAzure(config.options);
for (const vm of config.vms ?? []) await azure.addVm(vm);

const { authorityHost, resourceManager, metadataHost, identityHeader, caPath, clientCertificatePath } = azure;
const { tenant, clientId, clientSecret, subscription } = azure;
console.log(
  JSON.stringify({
    ...{ authorityHost, resourceManager, metadataHost, identityHeader, caPath, clientCertificatePath },
    ...{ tenant, clientId, clientSecret, subscription },
  }),
);

const stop = () => void azure.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.stdin.once('end', stop).resume();
