import { describe, expect, it } from 'vitest';
import { endpointsOf } from '../../../../activities/sources/azure/clouds.ts';
import { resolveAzureOptions } from '../../../../workers/options.ts';

const endpoints = (cloud: Parameters<typeof endpointsOf>[0], env: Record<string, string> = {}) =>
  endpointsOf(cloud, resolveAzureOptions(env));

describe('the addresses of a cloud', () => {
  it.each([
    ['public', 'https://login.microsoftonline.com', 'https://management.azure.com'],
    ['china', 'https://login.chinacloudapi.cn', 'https://management.chinacloudapi.cn'],
    ['us-government', 'https://login.microsoftonline.us', 'https://management.usgovcloudapi.net'],
  ] as const)('%s', (cloud, authorityHost, resourceManager) => {
    expect(endpoints(cloud)).toMatchObject({ authorityHost, resourceManager, privateAuthority: false });
  });

  it('are the worker’s own for a private one, which Entra ID is not asked about', () => {
    const env = {
      AZURE_AUTHORITY_HOST: 'https://login.private.example/',
      LONGHAUL_AZURE_RESOURCE_MANAGER: 'https://management.private.example:8443',
    };
    expect(endpoints('public', env)).toEqual({
      authorityHost: 'https://login.private.example',
      resourceManager: 'https://management.private.example:8443',
      scope: 'https://management.private.example:8443/.default',
      privateAuthority: true,
    });
  });

  it('are those of the spec, although workload identity names the cluster’s cloud', () => {
    const env = { AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com/' };
    expect(endpoints('china', env)).toMatchObject({
      authorityHost: 'https://login.chinacloudapi.cn',
      privateAuthority: false,
    });
  });

  it.each([
    'http://login.example',
    'login.example',
    'https://login.example/tenant',
    'https://u:p@login.example',
  ])('are not taken from %s', (address) => {
    expect(() => resolveAzureOptions({ AZURE_AUTHORITY_HOST: address })).toThrow(
      /^An option or a setting is not valid: AZURE_AUTHORITY_HOST is not the https address of a server$/,
    );
  });
});
