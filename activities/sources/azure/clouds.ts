import type { AzureCloud } from '../../../contracts/azure-clouds.ts';

/** Addresses of a private cloud; each takes the place of the named cloud's. */
export interface AzureOptions {
  /** Where tokens come from, an origin. */
  authorityHost?: string;
  /** Azure Resource Manager, an origin. */
  resourceManager?: string;
}

/** Where a cloud's services are. Origins, without a slash at the end. */
export interface AzureEndpoints {
  authorityHost: string;
  resourceManager: string;
  /** What tokens are asked for. */
  scope: string;
  /** Entra ID does not know the authority: it is not asked whether there is such a one. */
  privateAuthority: boolean;
}

/** https://github.com/Azure/azure-sdk-for-go/blob/main/sdk/azcore/cloud/cloud.go and arm/runtime's configuration */
const clouds: Record<AzureCloud, Omit<AzureEndpoints, 'privateAuthority'>> = {
  public: {
    authorityHost: 'https://login.microsoftonline.com',
    resourceManager: 'https://management.azure.com',
    scope: 'https://management.azure.com/.default',
  },
  china: {
    authorityHost: 'https://login.chinacloudapi.cn',
    resourceManager: 'https://management.chinacloudapi.cn',
    scope: 'https://management.core.chinacloudapi.cn/.default',
  },
  'us-government': {
    authorityHost: 'https://login.microsoftonline.us',
    resourceManager: 'https://management.usgovcloudapi.net',
    scope: 'https://management.core.usgovcloudapi.net/.default',
  },
};

/**
 * An authority of one of the named clouds is no private one: workload identity sets AZURE_AUTHORITY_HOST to that
 * of the cluster, and the spec may mean another cloud.
 */
export function endpointsOf(cloud: AzureCloud, own: AzureOptions): AzureEndpoints {
  const named = clouds[cloud];
  const known = Object.values(clouds).some(({ authorityHost }) => authorityHost === own.authorityHost);
  const authorityHost = known ? undefined : own.authorityHost;
  return {
    authorityHost: authorityHost ?? named.authorityHost,
    resourceManager: own.resourceManager ?? named.resourceManager,
    scope: own.resourceManager === undefined ? named.scope : `${own.resourceManager}/.default`,
    privateAuthority: authorityHost !== undefined,
  };
}
