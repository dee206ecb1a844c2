import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  connectAzure,
  type AzureConnection,
  type AzureTarget,
} from '../../../activities/sources/azure/connect.ts';
import { endpointsOf } from '../../../activities/sources/azure/clouds.ts';
import { credentialOf } from '../../../activities/sources/azure/login.ts';
import type { StepIo } from '../../../activities/host/step-io.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps, azureSpec, optionsOf } from '../../support/azure.ts';
import { startTrustedAzure } from '../../support/azure-site.ts';
import { silentLog, testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure({ retryAfterSeconds: 0 });
  await azure.addVm({ name: 'web01', resourceGroup: 'prod', disks: [{ sizeBytes: 2 ** 30 }] });
});
afterAll(() => azure.close());
afterEach(() => {
  azure.faults.clear();
  azure.settings.deniedActions = [];
  vi.unstubAllEnvs();
});

const login = () => azureSpec(azure, { vm: 'web01' }).login;
const connect = (target: Partial<AzureTarget> = {}, io: StepIo = testIo(), deps = azureDeps(azure)) =>
  connectAzure({ cloud: 'public', login: login(), ...target }, deps, io);

async function readVm(connection: AzureConnection): Promise<string | undefined> {
  const compute = await connection.compute(azure.subscription);
  const vm = await connection.ask('read the VM web01', () => compute.virtualMachines.get('prod', 'web01'));
  return vm.name;
}

async function failureOf(promise: Promise<unknown>): Promise<LonghaulError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof LonghaulError) return error;
  throw new Error('no LonghaulError came', { cause: error });
}

describe('a login', () => {
  it('works with a secret, and asks for one token for all its clients', async () => {
    azure.requests.clear();
    const connection = await connect();
    const network = await connection.network(azure.subscription);
    await connection.ask('read a card', () => network.networkInterfaces.get('prod', 'web01-nic0'));
    expect(await readVm(connection)).toBe('web01');
    expect(azure.requests.of('entra', 'POST')).toHaveLength(1);
  });

  it('works with a certificate', async () => {
    const certificate = `file:${azure.clientCertificatePath}`;
    const { login } = azureSpec(azure, {
      vm: 'web01',
      login: { tenant: azure.tenant, client: azure.clientId, certificate },
    });
    expect(await readVm(await connect({ login }))).toBe('web01');
  });

  it('with a key but no certificate says how to make the file', async () => {
    const pem = readFileSync(azure.clientCertificatePath, 'utf8');
    const { login } = azureSpec(azure, {
      vm: 'web01',
      login: { tenant: azure.tenant, client: azure.clientId, certificate: 'env:KEY_ONLY' },
    });
    const key = pem.slice(0, pem.indexOf('-----BEGIN CERTIFICATE'));
    const error = await failureOf(connect({ login }, testIo(), azureDeps(azure, { KEY_ONLY: key })));
    expect(error).toMatchObject({ code: 'AZURE_LOGIN_FAILED', retryable: false });
    expect(error.found).toBe('env:KEY_ONLY does not hold a certificate and its private key in PEM');
  });

  it('works with the managed identity of the machine', async () => {
    vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', azure.metadataHost);
    expect(await readVm(await connect({ login: { managedIdentity: true } }))).toBe('web01');
    expect(azure.requests.of('metadata').length).toBeGreaterThan(0);
  });

  it('works as whoever used the CLI', async () => {
    const bin = scratchDirectory();
    const token = await tokenOfSimulator();
    // The real CLI needs a browser or a subscription: this one answers as it does.
    const answer = JSON.stringify({ accessToken: token, expires_on: Math.floor(Date.now() / 1000) + 3000 });
    writeFileSync(join(bin, 'az'), `#!/bin/sh\necho '${answer}'\n`);
    chmodSync(join(bin, 'az'), 0o755);
    vi.stubEnv('PATH', `${bin}:${process.env['PATH'] ?? ''}`);
    expect(await readVm(await connect({ login: { cli: true } }))).toBe('web01');
  });

  it('that is not given comes from the environment', async () => {
    vi.stubEnv('AZURE_TENANT_ID', azure.tenant);
    vi.stubEnv('AZURE_CLIENT_ID', azure.clientId);
    vi.stubEnv('AZURE_CLIENT_SECRET', azure.clientSecret);
    expect(await readVm(await connect({ login: undefined }))).toBe('web01');
  });

  it('with a wrong secret fails in the words of Entra ID, for good', async () => {
    const connection = await connect({}, testIo(), azureDeps(azure, { AZURE_SECRET: 'not-the-secret' }));
    const error = await failureOf(readVm(connection));
    expect(error).toMatchObject({ code: 'AZURE_LOGIN_FAILED', retryable: false });
    expect(error.found).toContain('to read the VM web01');
    expect(error.found).toContain('AADSTS7000215: Invalid client secret provided');
    expect(error.message + JSON.stringify(error.details)).not.toContain('not-the-secret');
  });

  it('into a tenant that does not exist says so', async () => {
    const tenant = '01234567-89ab-cdef-0123-456789abcdef';
    const { login } = azureSpec(azure, {
      vm: 'web01',
      login: { tenant, client: azure.clientId, secret: 'env:AZURE_SECRET' },
    });
    const error = await failureOf(readVm(await connect({ login })));
    expect(error).toMatchObject({ code: 'AZURE_LOGIN_FAILED', retryable: false });
    expect(error.found).toContain(`AADSTS90002: Tenant '${tenant}' not found`);
  });

  it.each([
    [503, /\/token$/],
    [429, /\/token$/],
    [500, /openid-configuration$/],
  ])(
    'that meets a passing trouble of the login server is worth another try (%i)',
    async (status, path) => {
      azure.faults.add({ service: 'entra', path, times: 20, effect: { kind: 'status', status } });
      const error = await failureOf(readVm(await connect()));
      expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: true });
      expect(error.found).toContain(`answered with HTTP ${status}`);
    },
    60_000,
  );

  it('by a managed identity that may not be asked for just now is worth another try', async () => {
    vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', azure.metadataHost);
    azure.faults.add({ service: 'metadata', times: 50, effect: { kind: 'status', status: 429 } });
    // One that nobody else asked for: tokens of managed identities are kept by the process.
    const login = { managedIdentity: true, client: azure.clientId } as const;
    const error = await failureOf(readVm(await connect({ login })));
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: true });
    expect(error.found).toContain('answered with HTTP 429');
  }, 60_000);

  it('that nobody answers is worth another try', async () => {
    azure.faults.add({ service: 'entra', times: 20, effect: { kind: 'hang' } });
    const { resolveSecret } = azureDeps(azure);
    const { login } = azureSpec(azure, { vm: 'web01' });
    const endpoints = endpointsOf('public', optionsOf(azure));
    const credential = await credentialOf(login, endpoints, resolveSecret, testIo().signal, 500);
    expect(await failureOf(credential.getToken(endpoints.scope))).toMatchObject({
      code: 'AZURE_FAILED',
      retryable: true,
      found: expect.stringContaining('within 0.5 s') as string,
    });
  });

  it('with a token that ended is worth another try', async () => {
    const connection = await connect();
    await readVm(connection);
    azure.expireTokens();
    const error = await failureOf(readVm(connection));
    expect(error).toMatchObject({ code: 'AZURE_LOGIN_FAILED', retryable: true });
    expect(error.details).toMatchObject({ azureCode: 'ExpiredAuthenticationToken', status: 401 });
  });

  it('sends no token to another server than the cloud’s', async () => {
    const connection = await connect();
    const error = await failureOf(
      connection.send('read the next page', { method: 'GET', path: 'https://elsewhere.example/page2' }),
    );
    expect(error.found).toContain('https://elsewhere.example, which is not https://127.0.0.1');
  });
});

async function tokenOfSimulator(): Promise<string> {
  const response = await fetch(
    `${azure.metadataHost}/metadata/identity/oauth2/token?resource=${encodeURIComponent(azure.resourceManager)}`,
    { headers: { metadata: 'true' } },
  );
  return ((await response.json()) as { access_token: string }).access_token;
}

describe('an answer of Azure', () => {
  it('that refuses names the action, the place and the request', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/virtualMachines/read'];
    const error = await failureOf(readVm(await connect()));
    expect(error).toMatchObject({ code: 'AZURE_DENIED', retryable: false });
    expect(error.found).toMatch(
      /refused to read the VM web01: .*AuthorizationFailed, HTTP 403, request [\da-f-]{36}/,
    );
    expect(error.remedy).toContain(
      `Microsoft.Compute/virtualMachines/read on /subscriptions/${azure.subscription}/resourceGroups/prod`,
    );
    expect(error.details).toMatchObject({
      azureCode: 'AuthorizationFailed',
      action: 'Microsoft.Compute/virtualMachines/read',
    });
  });

  it('that there is no such thing is not tried again', async () => {
    azure.requests.clear();
    const connection = await connect();
    const compute = await connection.compute(azure.subscription);
    const error = await failureOf(
      connection.ask('read the VM web99', () => compute.virtualMachines.get('prod', 'web99')),
    );
    expect(error).toMatchObject({ code: 'SOURCE_NOT_FOUND', retryable: false });
    expect(error.details).toMatchObject({ azureCode: 'ResourceNotFound', status: 404 });
    expect(azure.requests.of('arm')).toHaveLength(1);
  });

  it('to wait is honoured and told', async () => {
    const told: string[] = [];
    const io = { ...testIo(), report: (doing: string) => void told.push(doing) };
    azure.faults.add({ service: 'arm', effect: { kind: 'status', status: 429, retryAfterSeconds: 1 } });
    const startedMs = Date.now();
    expect(await readVm(await connect({}, io))).toBe('web01');
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(1000);
    expect(told).toEqual(['Azure asks to be left alone for 1 s']);
  });

  it('to wait that does not end is an error of its own', async () => {
    azure.faults.add({
      service: 'arm',
      times: 20,
      effect: { kind: 'status', status: 429, retryAfterSeconds: 0 },
    });
    expect(await failureOf(readVm(await connect()))).toMatchObject({
      code: 'AZURE_THROTTLED',
      retryable: true,
    });
  });

  it('of a defect, or none, is tried again', async () => {
    azure.faults.add({ service: 'arm', effect: { kind: 'status', status: 500 } });
    azure.faults.add({ service: 'arm', effect: { kind: 'drop' } });
    azure.faults.add({ service: 'arm', effect: { kind: 'status', status: 503 } });
    expect(await readVm(await connect())).toBe('web01');
  });

  it('of a listing has its words on every page', async () => {
    azure.faults.add({
      service: 'arm',
      effect: { kind: 'status', status: 409, code: 'Conflict', message: 'Something else is going on.' },
    });
    const connection = await connect();
    const compute = await connection.compute(azure.subscription);
    const error = await failureOf(
      connection.ask('list the VMs', async () => {
        for await (const page of compute.virtualMachines.list('prod').byPage()) expect(page).toBeDefined();
      }),
    );
    expect(error.found).toContain('Something else is going on. (Conflict, HTTP 409');
  });
});

describe('a connection', () => {
  it('ends with the step, also while nobody answers', async () => {
    azure.faults.add({ service: 'arm', effect: { kind: 'hang' } });
    const controller = new AbortController();
    const connection = await connect({}, testIo(controller.signal));
    const reading = readVm(connection);
    setTimeout(() => controller.abort(new Error('cancelled by the test')), 300);
    await expect(reading).rejects.toThrow('cancelled by the test');
  });

  it('ends with the step while it waits for Azure', async () => {
    azure.faults.add({ service: 'arm', effect: { kind: 'status', status: 429, retryAfterSeconds: 60 } });
    const controller = new AbortController();
    const io = {
      ...testIo(controller.signal),
      report: () => controller.abort(new Error('cancelled by the test')),
    };
    await expect(readVm(await connect({}, io))).rejects.toThrow('cancelled by the test');
  });

  it('to where nothing listens is worth another try', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    server.close();
    const deps = {
      ...azureDeps(azure),
      azure: { ...optionsOf(azure), resourceManager: `https://127.0.0.1:${port}` },
    };
    const error = await failureOf(readVm(await connect({}, testIo(), deps)));
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: true });
    expect(error.found).toMatch(/could not be reached to read the VM web01: .*ECONNREFUSED/);
  });

  it('whose login server does not answer is worth another try', async () => {
    const deps = {
      ...azureDeps(azure),
      azure: { ...optionsOf(azure), authorityHost: 'https://127.0.0.1:1' },
    };
    const error = await failureOf(readVm(await connect({}, testIo(), deps)));
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: true });
  });

  it('says what it asked and was answered, without tokens', async () => {
    const lines: string[] = [];
    const keep = (facts: object, message: string) => void lines.push(`${JSON.stringify(facts)} ${message}`);
    const log = { ...silentLog, debug: keep, info: keep };
    await readVm(await connect({}, { ...testIo(), log }));
    expect(lines.join('\n')).toMatch(/"method":"GET","path":"\/subscriptions.*web01","status":200/);
    expect(lines.join('\n')).not.toMatch(/eyJ|bearer/i);
  });
});
