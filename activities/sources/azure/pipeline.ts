import {
  bearerTokenAuthenticationPolicy,
  bearerTokenAuthenticationPolicyName,
  createPipelineFromOptions,
  logPolicyName,
  redirectPolicyName,
  RestError,
  retryPolicy,
  type Pipeline,
  type PipelinePolicy,
  type PipelineRequest,
  type RetryStrategy,
} from '@azure/core-rest-pipeline';
import type { TokenCredential } from '@azure/identity';
import type { StepIo } from '../../host/step-io.ts';
import { retryAfterMs } from '../../transfer/retry-after.ts';
import type { AzureEndpoints } from './clouds.ts';
import { loginFailed } from './errors.ts';

const requestLimitMs = 60_000;
/** A list of all sizes of a region takes a few MiB; nothing that is asked for takes more than this. */
const maxAnswerBytes = 64 * 1024 ** 2;
/** Tries after answers that ask to wait. */
const maxRetries = 5;
/** Tries after errors and silence: then the step itself is tried again. */
const maxRetriesAfterErrors = 3;
/** Of a 429 that does not say how long. */
const quietMs = 10_000;

/**
 * Every request to Resource Manager goes this way: with the step's end, a token, tries again when Azure asks for
 * patience or does not answer, and a time limit for each try.
 */
export function armPipeline(credential: TokenCredential, endpoints: AzureEndpoints, io: StepIo): Pipeline {
  const pipeline = createPipelineFromOptions({ userAgentOptions: { userAgentPrefix: 'longhaul' } });
  // Ours are visible and end; Resource Manager redirects nowhere; what the SDK logs is not checked for secrets.
  for (const name of ['defaultRetryPolicy', redirectPolicyName, logPolicyName])
    pipeline.removePolicy({ name });
  pipeline.addPolicy(wholeRequest(io), { beforePolicies: [bearerTokenAuthenticationPolicyName] });
  pipeline.addPolicy(ownCloudOnly(endpoints), { beforePolicies: [bearerTokenAuthenticationPolicyName] });
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: endpoints.scope }));
  pipeline.addPolicy(retryPolicy([patience(io)], { maxRetries }), { phase: 'Retry' });
  pipeline.addPolicy(oneTry(io), { afterPhase: 'Retry' });
  return pipeline;
}

/**
 * The SDK forgets the caller's signal from the second page of a listing on, and of a listing that is refused what
 * Azure said: errors are made here, where all is at hand.
 */
function wholeRequest({ signal }: StepIo): PipelinePolicy {
  return {
    name: 'longhaulWholeRequest',
    sendRequest: async (request, next) => {
      signal.throwIfAborted();
      request.abortSignal = anyOf(signal, request.abortSignal);
      const response = await next(request);
      const { status } = response;
      if (status < 400) return response;
      throw new RestError(`HTTP ${status}`, { statusCode: status, request, response });
    },
  };
}

/** Next pages and operations are addresses in answers; the token goes nowhere else. */
function ownCloudOnly({ resourceManager }: AzureEndpoints): PipelinePolicy {
  const own = new URL(resourceManager);
  return {
    name: 'longhaulOwnCloudOnly',
    sendRequest: (request, next) => {
      const { protocol, host } = new URL(request.url);
      if (protocol === own.protocol && (host === own.host || host.endsWith(`.${own.host}`)))
        return next(request);
      throw loginFailed(
        `an answer leads to ${protocol}//${host}, which is not ${resourceManager}: the token is not sent there`,
        'See that cloud and LONGHAUL_AZURE_RESOURCE_MANAGER are those of the subscription.',
      );
    },
  };
}

/** How long to wait before the next try. Azure's own wish is honoured and told. */
function patience(io: StepIo): RetryStrategy {
  return {
    name: 'longhaulPatience',
    retry: ({ retryCount, response, responseError }) => {
      const status = response?.status;
      if (status === 429 || (status === 503 && response?.headers.get('retry-after') !== undefined)) {
        const askedMs = retryAfterMs(response?.headers.get('retry-after'), Date.now());
        const waitMs = askedMs ?? quietMs * 2 ** retryCount;
        const seconds = Math.ceil(waitMs / 1000);
        io.report(`Azure asks to be left alone for ${seconds} s`);
        io.log.info({ status, seconds }, `Azure asks to be left alone for ${seconds} s`);
        return { retryAfterInMs: waitMs };
      }
      const unanswered = responseError !== undefined && responseError.response === undefined;
      if (unanswered && !isTransient(responseError.code)) return { errorToThrow: responseError };
      if (retryCount >= maxRetriesAfterErrors)
        return responseError === undefined ? { skipStrategy: true } : { errorToThrow: responseError };
      if (!unanswered && !(status === 408 || (status !== undefined && status >= 500 && status !== 501)))
        return { skipStrategy: true };
      const waitMs = Math.min(8_000, 500 * 2 ** retryCount) * (0.75 + Math.random() / 2);
      io.log.debug({ status, code: responseError?.code, waitMs }, 'a request to Azure is tried again');
      return { retryAfterInMs: waitMs };
    },
  };
}

/** Errors of name resolution, sockets and our own limit; those of TLS stay as they are. */
function isTransient(code: string | undefined): boolean {
  return code !== undefined && (/^E[A-Z]+(_AGAIN)?$/.test(code) || code === RestError.REQUEST_SEND_ERROR);
}

function oneTry({ log }: StepIo): PipelinePolicy {
  return {
    name: 'longhaulOneTry',
    sendRequest: async (request, next) => {
      const outer = request.abortSignal;
      const limit = AbortSignal.timeout(requestLimitMs);
      const startedMs = performance.now();
      request.abortSignal = anyOf(limit, outer);
      request.onDownloadProgress = ({ loadedBytes }) => {
        if (loadedBytes > maxAnswerBytes)
          throw new RestError(`the answer is larger than ${maxAnswerBytes} bytes`, {
            code: 'TOO_LARGE',
            request,
          });
      };
      try {
        const response = await next(request);
        log.debug(
          {
            method: request.method,
            path: new URL(request.url).pathname,
            status: response.status,
            requestId: response.headers.get('x-ms-request-id'),
            ms: Math.round(performance.now() - startedMs),
          },
          'Azure answered',
        );
        return response;
      } catch (error) {
        if (limit.aborted && outer?.aborted !== true)
          throw new RestError(`no answer within ${requestLimitMs / 1000} s`, { code: 'ETIMEDOUT', request });
        throw error;
      } finally {
        // The same request is sent again by the policies around.
        if (outer === undefined) delete request.abortSignal;
        else request.abortSignal = outer;
      }
    },
  };
}

function anyOf(first: AbortSignal, second: PipelineRequest['abortSignal']): AbortSignal {
  return second instanceof AbortSignal ? AbortSignal.any([first, second]) : first;
}
