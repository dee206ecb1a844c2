import { createPublicKey, randomUUID, verify, X509Certificate, constants } from 'node:crypto';
import type { Call, Reply } from './server.ts';
import type { Settings } from './settings.ts';
import type { Tokens } from './tokens.ts';

/** A service principal and how it may log in. */
export interface Principal {
  tenant: string;
  clientId: string;
  objectId: string;
  clientSecret: string;
  /** PEM with the certificate that signs its client assertions. */
  certificate: string;
}

/** The part of Entra ID that MSAL talks to: discovery, and tokens for client credentials. */
export class Entra {
  readonly #principal: Principal;
  readonly #tokens: Tokens;
  readonly #settings: Settings;

  constructor(principal: Principal, tokens: Tokens, settings: Settings) {
    this.#principal = principal;
    this.#tokens = tokens;
    this.#settings = settings;
  }

  reply(call: Call): Reply {
    const [, tenant = '', ...rest] = call.url.pathname.split('/');
    const what = `${call.method} ${rest.join('/')}`;
    if (what === 'GET discovery/instance') return this.#instances(call.url);
    if (tenant.toLowerCase() !== this.#principal.tenant) return this.#unknownTenant(tenant);
    if (what === 'GET v2.0/.well-known/openid-configuration') return this.#configuration(call.url);
    if (what === 'POST oauth2/v2.0/token') return this.#token(new URLSearchParams(call.body));
    return { status: 404 };
  }

  #instances({ origin, host }: URL): Reply {
    return {
      status: 200,
      body: {
        tenant_discovery_endpoint: `${origin}/${this.#principal.tenant}/v2.0/.well-known/openid-configuration`,
        'api-version': '1.1',
        metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
      },
    };
  }

  #configuration({ origin }: URL): Reply {
    const base = `${origin}/${this.#principal.tenant}`;
    return {
      status: 200,
      body: {
        token_endpoint: `${base}/oauth2/v2.0/token`,
        token_endpoint_auth_methods_supported: [
          'client_secret_post',
          'private_key_jwt',
          'client_secret_basic',
        ],
        jwks_uri: `${base}/discovery/v2.0/keys`,
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
        end_session_endpoint: `${base}/oauth2/v2.0/logout`,
        response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
        scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
        subject_types_supported: ['pairwise'],
        tenant_region_scope: 'EU',
      },
    };
  }

  #token(form: URLSearchParams): Reply {
    const { tenant, clientId, clientSecret, objectId } = this.#principal;
    const asked = form.get('client_id') ?? '';
    if (form.get('grant_type') !== 'client_credentials')
      return failure(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
    if (asked.toLowerCase() !== clientId)
      return failure(
        400,
        'unauthorized_client',
        700016,
        `Application with identifier '${asked}' was not found in the directory 'Default Directory'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
      );
    const assertion = form.get('client_assertion');
    if (assertion === null && form.get('client_secret') !== clientSecret)
      return failure(
        401,
        'invalid_client',
        7000215,
        `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
      );
    if (assertion !== null && !this.#signed(assertion))
      return failure(
        401,
        'invalid_client',
        700027,
        `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.] Application '${clientId}'.`,
      );
    const scope = form.get('scope')?.split(' ')[0] ?? '';
    const audience = scope.replace(/\/+\.default$/, '');
    const seconds = this.#settings.tokenSeconds;
    return {
      status: 200,
      headers: { 'cache-control': 'no-store, no-cache' },
      body: {
        token_type: 'Bearer',
        expires_in: seconds,
        ext_expires_in: seconds,
        access_token: this.#tokens.issue({ clientId, objectId, audience }, tenant, seconds),
      },
    };
  }

  /** RFC 7523: the assertion is signed by the principal's certificate, for this principal, and not over. */
  #signed(assertion: string): boolean {
    const [header = '', claims = '', signature = ''] = assertion.split('.');
    const { alg } = decode(header) as { alg?: string };
    const { iss, exp } = decode(claims) as { iss?: string; exp?: number };
    const key = createPublicKey(
      new X509Certificate(this.#principal.certificate).publicKey.export({ type: 'spki', format: 'pem' }),
    );
    const padding = alg === 'PS256' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
    const good = verify(
      'sha256',
      Buffer.from(`${header}.${claims}`),
      { key, padding },
      Buffer.from(signature, 'base64url'),
    );
    return good && iss === this.#principal.clientId && (exp ?? 0) * 1000 > Date.now();
  }

  #unknownTenant(tenant: string): Reply {
    return failure(
      400,
      'invalid_tenant',
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    );
  }
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return {};
  }
}

/** An error of the token endpoint, as Entra ID words and dates it. */
export function failure(status: number, error: string, code: number, message: string): Reply {
  const [trace, correlation] = [randomUUID(), randomUUID()];
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`;
  return {
    status,
    headers: { 'cache-control': 'no-store, no-cache', 'x-ms-request-id': trace },
    body: {
      error,
      error_description: `AADSTS${code}: ${message} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [code],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    },
  };
}
