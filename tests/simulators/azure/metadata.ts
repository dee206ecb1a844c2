import type { Principal } from './entra.ts';
import type { Call, Reply } from './server.ts';
import type { Settings } from './settings.ts';
import type { Tokens } from './tokens.ts';

/**
 * Where a managed identity gets its tokens, over plain HTTP as in Azure: the instance metadata service of a VM
 * (AZURE_POD_IDENTITY_AUTHORITY_HOST leads MSAL here) and App Service's (IDENTITY_ENDPOINT, IDENTITY_HEADER).
 */
export class MetadataService {
  readonly identityHeader: string;
  readonly #principal: Principal;
  readonly #tokens: Tokens;
  readonly #settings: Settings;

  constructor(principal: Principal, tokens: Tokens, settings: Settings, identityHeader: string) {
    this.#principal = principal;
    this.#tokens = tokens;
    this.#settings = settings;
    this.identityHeader = identityHeader;
  }

  reply({ method, url, headers }: Call): Reply {
    // MSAL puts a slash behind every address it is given.
    const path = url.pathname.replace(/\/$/, '');
    const appService = path === '/msi/token';
    if (method !== 'GET' || !(appService || path === '/metadata/identity/oauth2/token'))
      return { status: 404 };
    const allowed = appService
      ? headers['x-identity-header'] === this.identityHeader
      : headers['metadata']?.toString().toLowerCase() === 'true';
    if (!allowed) return refusal('Required metadata header not specified');
    const resource = url.searchParams.get('resource');
    if (resource === null) return refusal("The required parameter 'resource' was not specified");
    const { clientId, objectId, tenant } = this.#principal;
    const asked = url.searchParams.get('client_id');
    if (asked !== null && asked !== clientId) return refusal('Identity not found');
    const seconds = this.#settings.tokenSeconds;
    const audience = resource.replace(/\/+$/, '');
    return {
      status: 200,
      body: {
        access_token: this.#tokens.issue({ clientId, objectId, audience }, tenant, seconds),
        client_id: clientId,
        expires_in: String(seconds),
        expires_on: String(Math.floor(Date.now() / 1000) + seconds),
        resource,
        token_type: 'Bearer',
      },
    };
  }
}

const refusal = (description: string): Reply => ({
  status: 400,
  body: { error: 'invalid_request', error_description: description },
});
