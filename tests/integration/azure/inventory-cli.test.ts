import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';

const program = fileURLToPath(new URL('../../../client/main.ts', import.meta.url));

let azure: Azure;
const issued: string[] = [];
beforeAll(async () => {
  azure = await startAzure();
  const issue = azure.world.tokens.issue.bind(azure.world.tokens);
  azure.world.tokens.issue = (...args) => {
    const token = issue(...args);
    issued.push(token);
    return token;
  };
  await azure.addVm({
    name: 'web01',
    resourceGroup: 'prod',
    disks: [{ sizeBytes: 2 ** 30 }],
    nics: [{ privateIps: ['10.0.0.4'] }],
  });
});
afterAll(() => azure.close());

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** The program as a process of its own, led to the simulator by the environment that people have. */
function inventory(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    NODE_EXTRA_CA_CERTS: azure.caPath,
    AZURE_AUTHORITY_HOST: azure.authorityHost,
    LONGHAUL_AZURE_RESOURCE_MANAGER: azure.resourceManager,
    OUR_SECRET: azure.clientSecret,
    ...environment,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'inventory', 'azure', ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const login = () => ['--tenant', azure.tenant, '--client', azure.clientId, '--secret', 'env:OUR_SECRET'];
const here = () => ['--subscription', azure.subscription, ...login()];

describe('longhaul inventory azure', () => {
  it('prints a table', async () => {
    const { code, stdout, stderr } = await inventory([...here(), '--resource-group', 'PROD']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^NAME .*\nweb01 +prod +running +linux +Standard_D2s_v3 \(2, 8 GiB\) +1, 1 GiB +- +10\.0\.0\.4\n$/,
    );
  });

  it('prints JSON with the subscription of each VM', async () => {
    const { stdout } = await inventory([...here(), '--all', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([{ subscription: azure.subscription, name: 'web01', cpus: 2 }]);
  });

  it('prints CSV', async () => {
    const { stdout } = await inventory([...here(), '--all', '--csv']);
    expect(stdout.split('\r\n').map((line) => line.split(',')[2])).toEqual(['name', 'web01', undefined]);
  });

  it('refuses a whole subscription that was not asked for, before anything is sent', async () => {
    azure.requests.clear();
    const { code, stderr } = await inventory(here());
    expect(code).toBe(2);
    expect(stderr).toMatch(/--resource-group.*--all.*\[OPTION_INVALID\]/s);
    expect(azure.requests.all).toEqual([]);
  });

  it.each([
    ['half a login', ['--all', '--client', '01234567-89ab-cdef-0123-456789abcdef'], /do not make one/],
    ['a subscription that is no id', ['--all', '--az-cli', '--subscription', 'ours'], /"ours" is not the id/],
  ])('refuses %s', async (_what, args, words) => {
    const { code, stderr } = await inventory(['--subscription', azure.subscription, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(words);
  });

  it('takes the login from the environment', async () => {
    const { code, stdout } = await inventory(['--subscription', azure.subscription, '--all', '--json'], {
      AZURE_TENANT_ID: azure.tenant,
      AZURE_CLIENT_ID: azure.clientId,
      AZURE_CLIENT_SECRET: azure.clientSecret,
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(1);
  });

  it('goes through the proxy of the environment, for the login too', async () => {
    const asked: string[] = [];
    const proxy = createServer().on('connect', (request, client: Socket, head: Buffer) => {
      const { hostname, port } = new URL(`http://${request.url ?? ''}`);
      asked.push(`https://${hostname}:${port}`);
      const server = connect(Number(port), hostname, () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        server.write(head);
        server.pipe(client).pipe(server);
      });
      server.on('error', () => client.destroy());
      client.on('error', () => server.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const { code } = await inventory([...here(), '--all'], { HTTPS_PROXY: `http://127.0.0.1:${port}` });
    proxy.close();
    expect(code).toBe(0);
    expect(asked).toContain(azure.authorityHost);
    expect(asked).toContain(azure.resourceManager);
  });

  it('says when a certificate is not trusted, and what to do', async () => {
    const { code, stderr } = await inventory([...here(), '--all'], { NODE_EXTRA_CA_CERTS: '' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/NODE_EXTRA_CA_CERTS.*\[AZURE_FAILED\]/s);
  });

  it('never prints a token or a secret, however much the SDK is told to log', async () => {
    const loud = {
      AZURE_LOG_LEVEL: 'verbose',
      TYPESPEC_RUNTIME_LOG_LEVEL: 'verbose',
      DEBUG: '*',
      NODE_DEBUG: '',
    };
    const good = await inventory([...here(), '--all', '--verbose'], loud);
    const bad = await inventory([...here(), '--all', '--verbose'], { ...loud, OUR_SECRET: 'not-the-secret' });
    expect([good.code, bad.code]).toEqual([0, 1]);
    // The SDK's log would be on standard error, MSAL's too.
    expect(good.stderr).toBe('');
    const printed = good.stdout + good.stderr + bad.stdout + bad.stderr;
    expect(issued.length).toBeGreaterThan(0);
    for (const secret of [...issued, azure.clientSecret, 'not-the-secret'])
      expect(printed).not.toContain(secret);
    expect(printed).not.toMatch(/eyJ[\w-]{10}/);
  });
});
