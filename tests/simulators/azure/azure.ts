import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { armFault } from './arm/errors.ts';
import type { Snapshot, Vm } from './arm/model.ts';
import { applyGrants } from './arm/export-access.ts';
import { Router } from './arm/router.ts';
import { allRoutes } from './arm/routes.ts';
import { World } from './arm/world.ts';
import { makeCertificates } from './certificates.ts';
import { Entra, failure, type Principal } from './entra.ts';
import { Faults } from './faults.ts';
import { MetadataService } from './metadata.ts';
import { RequestLog } from './request-log.ts';
import { jsonExchange, serve, type Server, type Surroundings } from './server.ts';
import { defaultSettings, type AzureOptions, type Settings } from './settings.ts';
import { Storage } from './storage/storage.ts';
import { Tokens } from './tokens.ts';
import { addVm, type VmInput } from './vm-input.ts';

/**
 * A simulator of what Longhaul asks of Azure: Entra ID and Resource Manager over TLS, and the blobs of disks
 * and snapshots in a real Azurite, behind SAS that Azurite judges.
 *
 *     const azure = await startAzure({ operationMs: 50 });
 *     await azure.addVm({ name: 'web01', resourceGroup: 'prod', disks: [{ sizeBytes: 2 ** 30, content: { file } }] });
 *     const tls = { tlsOptions: { ca: azure.ca } };        // in process; a child gets NODE_EXTRA_CA_CERTS=azure.caPath
 *     const credential = new ClientSecretCredential(azure.tenant, azure.clientId, azure.clientSecret, {
 *       authorityHost: azure.authorityHost, disableInstanceDiscovery: true, ...tls });
 *     const compute = new ComputeManagementClient(credential, azure.subscription, { endpoint: azure.resourceManager, ...tls });
 *     azure.faults.add({ service: 'arm', method: 'PUT', path: /snapshots/, effect: { kind: 'drop-after' } });
 *     azure.settings.deniedActions = ['Microsoft.Compute/snapshots/write'];
 *     azure.requests.of('arm', 'GET', /virtualMachines$/).length;
 *     await azure.close();
 *
 * As a process of its own: `node tests/simulators/azure/main.ts`, see there.
 */
export class Azure {
  /** For `authorityHost`. MSAL must be told `disableInstanceDiscovery`, as for every private cloud. */
  readonly authorityHost: string;
  /** For `endpoint` of the clients. */
  readonly resourceManager: string;
  /** For AZURE_POD_IDENTITY_AUTHORITY_HOST; with `/msi/token` behind it for IDENTITY_ENDPOINT. Plain HTTP. */
  readonly metadataHost: string;
  /** For IDENTITY_HEADER. */
  readonly identityHeader: string;
  /** PEM of the authority that all servers' certificates come from. */
  readonly caPath: string;
  readonly ca: Buffer;
  /** PEM with key and certificate, for ClientCertificateCredential. */
  readonly clientCertificatePath: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly subscription: string;
  /** Can be changed at any time. */
  readonly settings: Settings;
  readonly faults: Faults;
  readonly requests: RequestLog;
  /** Everything there is, for tests that look or arrange further. */
  readonly world: World;
  readonly #servers: Server[];
  readonly #directory: string;

  constructor(parts: {
    principal: Principal;
    servers: { entra: Server; arm: Server; metadata: Server };
    identityHeader: string;
    certificates: { caPath: string; ca: Buffer; clientCertificatePath: string };
    world: World;
    directory: string;
  }) {
    const { principal, servers, certificates, world } = parts;
    this.authorityHost = servers.entra.origin;
    this.resourceManager = servers.arm.origin;
    this.metadataHost = servers.metadata.origin;
    this.identityHeader = parts.identityHeader;
    this.caPath = certificates.caPath;
    this.ca = certificates.ca;
    this.clientCertificatePath = certificates.clientCertificatePath;
    this.tenant = principal.tenant;
    this.clientId = principal.clientId;
    this.clientSecret = principal.clientSecret;
    this.subscription = world.subscription;
    this.settings = world.settings;
    this.faults = world.surroundings.faults;
    this.requests = world.surroundings.requests;
    this.world = world;
    this.#servers = Object.values(servers);
    this.#directory = parts.directory;
  }

  addVm(input: VmInput): Promise<Vm> {
    return addVm(this.world, input);
  }

  /** The next long-running operation that a request to this path starts is accepted and then fails. */
  failNextOperation(path: RegExp, error: { code: string; message: string }): void {
    this.world.operations.failNext(path, error);
  }

  /** Ends all access tokens now. */
  expireTokens(): void {
    this.world.tokens.expireAll();
  }

  /** Ends the SAS of a snapshot now, as when their time is over. They stay granted until revoked or expired. */
  async expireSas(snapshot: Snapshot): Promise<void> {
    for (const grant of snapshot.grants) grant.expiresAtMs = Date.now() - 1000;
    if (snapshot.content) await applyGrants(this.world, snapshot, snapshot.content.at);
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.world.storage.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Starts it on free ports of the loopback interface. Azurite follows when the first byte is put. */
export async function startAzure(options: AzureOptions = {}): Promise<Azure> {
  const directory = mkdtempSync(join(tmpdir(), 'longhaul-azure-'));
  const certificates = makeCertificates(directory);
  const { cert, key } = certificates;
  const { blobEndpoint = 'front', tenant, clientId, clientSecret, subscription, ...settings } = options;
  const principal: Principal = {
    tenant: tenant ?? randomUUID(),
    clientId: clientId ?? randomUUID(),
    objectId: randomUUID(),
    clientSecret: clientSecret ?? randomBytes(30).toString('base64url'),
    certificate: readFileSync(certificates.clientCertificatePath, 'utf8'),
  };
  const surroundings: Surroundings = {
    settings: { ...defaultSettings, ...settings },
    faults: new Faults(),
    requests: new RequestLog(),
  };
  const tokens = new Tokens();
  const storage = new Storage({ directory, certificates, surroundings, endpoint: blobEndpoint });
  const world = new World({
    subscription: subscription ?? randomUUID(),
    principal,
    tokens,
    surroundings,
    storage,
  });
  const router = new Router(world, allRoutes(world));
  const entra = new Entra(principal, tokens, surroundings.settings);
  const identityHeader = randomUUID();
  const metadata = new MetadataService(principal, tokens, surroundings.settings, identityHeader);

  const entraFault = ({ status }: { status: number }) =>
    failure(status, 'temporarily_unavailable', 90033, 'A transient error has occurred. Please try again.');
  const tls = { cert, key };
  const servers = {
    entra: await serve({
      ...{ service: 'entra', tls, surroundings, faultReply: entraFault },
      exchange: jsonExchange((call) => entra.reply(call)),
    }),
    arm: await serve({
      ...{ service: 'arm', tls, surroundings, faultReply: armFault },
      exchange: jsonExchange((call) => router.reply(call)),
    }),
    metadata: await serve({
      ...{ service: 'metadata', surroundings, faultReply: entraFault },
      exchange: jsonExchange((call) => metadata.reply(call)),
    }),
  };
  return new Azure({ principal, servers, identityHeader, certificates, world, directory });
}
