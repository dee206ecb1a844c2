import type { PipelinePolicy } from '@azure/core-rest-pipeline';
import {
  AuthenticationError,
  AzureCliCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type DefaultAzureCredentialOptions,
  type TokenCredential,
} from '@azure/identity';
import type { AzureLogin, SecretRef } from '../../../contracts/spec.ts';
import type { ResolveSecret } from '../../host/secrets.ts';
import type { AzureEndpoints } from './clouds.ts';
import { loginFailed, loginUnanswered } from './errors.ts';

/** A login that nobody answers, such as a managed identity where there is none, is given up after this. */
const loginLimitMs = 60_000;
const cliLimitMs = 30_000;

/**
 * What proves who we are, with a time limit, and an end when the signal aborts. A secret lives as long as the
 * credential: make one for each step, not for the worker.
 *
 * @throws LonghaulError SECRET_UNRESOLVED, AZURE_LOGIN_FAILED for a certificate that is none.
 */
export async function credentialOf(
  login: AzureLogin | undefined,
  endpoints: AzureEndpoints,
  resolveSecret: ResolveSecret,
  signal: AbortSignal,
  limitMs = loginLimitMs,
): Promise<TokenCredential> {
  const last = new LastAnswer(endpoints.authorityHost);
  const options = {
    authorityHost: endpoints.authorityHost,
    disableInstanceDiscovery: endpoints.privateAuthority,
    additionalPolicies: [{ policy: last.policy(), position: 'perRetry' as const }],
  };
  return bounded(await bareCredentialOf(login, options, resolveSecret), last, { signal, limitMs });
}

async function bareCredentialOf(
  login: AzureLogin | undefined,
  options: DefaultAzureCredentialOptions,
  resolveSecret: ResolveSecret,
): Promise<TokenCredential> {
  if (login === undefined) return new DefaultAzureCredential({ ...options, processTimeoutInMs: cliLimitMs });
  if ('secret' in login) {
    const secret = await textOf(login.secret, resolveSecret);
    return new ClientSecretCredential(login.tenant, login.client, secret, options);
  }
  if ('certificate' in login) {
    const certificate = await textOf(login.certificate, resolveSecret);
    if (
      !/-----BEGIN CERTIFICATE-----/.test(certificate) ||
      !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(certificate)
    )
      throw loginFailed(
        `${login.certificate} does not hold a certificate and its private key in PEM`,
        'Put both into one file: cat key.pem certificate.pem. The key must not be encrypted.',
      );
    return new ClientCertificateCredential(login.tenant, login.client, { certificate }, options);
  }
  if ('managedIdentity' in login)
    return new ManagedIdentityCredential({
      ...options,
      ...(login.client === undefined ? {} : { clientId: login.client }),
    });
  return new AzureCliCredential({
    processTimeoutInMs: cliLimitMs,
    ...(login.tenant === undefined ? {} : { tenantId: login.tenant }),
  });
}

async function textOf(reference: SecretRef, resolveSecret: ResolveSecret): Promise<string> {
  const bytes = await resolveSecret(reference);
  try {
    return bytes.toString('utf8');
  } finally {
    bytes.fill(0);
  }
}

/** MSAL knows neither a time limit nor a signal. */
function bounded(
  credential: TokenCredential,
  last: LastAnswer,
  { signal, limitMs }: { signal: AbortSignal; limitMs: number },
): TokenCredential {
  return {
    getToken: async (scopes, options) => {
      signal.throwIfAborted();
      const limit = AbortSignal.timeout(limitMs);
      const ended = AbortSignal.any([signal, limit]);
      const { promise, reject } = Promise.withResolvers<never>();
      const end = () => {
        reject(signal.aborted ? signal.reason : timedOut(limitMs));
      };
      ended.addEventListener('abort', end, { once: true });
      try {
        return await Promise.race([credential.getToken(scopes, { ...options, abortSignal: ended }), promise]);
      } catch (error) {
        throw last.betterThan(error);
      } finally {
        ended.removeEventListener('abort', end);
      }
    },
  };
}

function timedOut(limitMs: number) {
  return loginUnanswered(`nobody answered the login to Azure within ${limitMs / 1000} s`);
}

/** What the login server answered last: MSAL says `endpoints_resolution_error` of a wrong tenant and of no network. */
class LastAnswer {
  readonly #authorityHost: string;
  #error: unknown;

  constructor(authorityHost: string) {
    this.#authorityHost = authorityHost;
  }

  policy(): PipelinePolicy {
    return {
      name: 'longhaulLastAnswer',
      sendRequest: async (request, next) => {
        const ours = new URL(request.url).origin === this.#authorityHost;
        try {
          const response = await next(request);
          const { status, bodyAsText } = response;
          if (ours) this.#error = status < 400 ? undefined : new AuthenticationError(status, bodyAsText);
          return response;
        } catch (error) {
          if (ours) this.#error = error;
          throw error;
        }
      },
    };
  }

  betterThan(error: unknown): unknown {
    const vague = error instanceof Error && error.message.includes('endpoints_resolution_error');
    return vague ? (this.#error ?? error) : error;
  }
}
