import type { ComputeManagementClient } from '@azure/arm-compute';
import type { NetworkManagementClient } from '@azure/arm-network';
import type { PipelineResponse } from '@azure/core-rest-pipeline';
import type { AzureCloud } from '../../../contracts/azure-clouds.ts';
import type { AzureLogin } from '../../../contracts/spec.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { SourceDeps } from '../source.ts';
import { endpointsOf } from './clouds.ts';
import { azureError } from './errors.ts';

/** Which cloud, and who logs in; what is in `source` of a spec fits. */
export interface AzureTarget {
  cloud: AzureCloud;
  login?: AzureLogin | undefined;
}

/** A call of Resource Manager that the clients lack. */
export interface ArmRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From `/subscriptions/` on, or the address of a next page. */
  path: string;
  /** Left out for the address of a next page, which has one. */
  apiVersion?: string;
  query?: Readonly<Record<string, string>>;
  body?: unknown;
}

export interface ArmAnswer {
  status: number;
  /** Parsed JSON, not validated; undefined when there was none. */
  body: unknown;
  header(name: string): string | undefined;
}

/**
 * A connection to Resource Manager, for one step: it ends with the step's signal, and its secret with it.
 *
 *     const azure = await connectAzure(request.source, deps, io);
 *     const compute = await azure.compute(request.source.subscription);
 *     const vm = await azure.ask('read the VM web01', () => compute.virtualMachines.get(group, 'web01'));
 *
 * Clients share one login and one way to send: throttling is honoured (and told by `io.report`), what fails for
 * the moment is tried again, each try has a time limit. No request needs an `abortSignal` of its own; the wait
 * between polls of a long-running operation does.
 */
export interface AzureConnection {
  compute(subscription: string): Promise<ComputeManagementClient>;
  network(subscription: string): Promise<NetworkManagementClient>;

  /**
   * Makes a call of a client and turns what it throws into a LonghaulError.
   *
   * @param doing completes "Azure refused to": `delete the snapshot longhaul-1`
   * @throws the signal's reason after an abort, else LonghaulError AZURE_LOGIN_FAILED, AZURE_DENIED,
   *   AZURE_THROTTLED, AZURE_FAILED, SOURCE_NOT_FOUND; `details` has `azureCode`, `status`, `requestId`.
   */
  ask<T>(doing: string, call: () => Promise<T>): Promise<T>;

  /** Sends a plain request; throws as `ask` does, for any status from 400 on too. */
  send(doing: string, request: ArmRequest): Promise<ArmAnswer>;
}

/**
 * Prepares a connection; nothing is sent yet. The SDK is loaded only here: it takes a second or two.
 *
 * @throws LonghaulError SECRET_UNRESOLVED, AZURE_LOGIN_FAILED for a login that cannot be one.
 */
export async function connectAzure(
  { cloud, login }: AzureTarget,
  deps: Pick<SourceDeps, 'resolveSecret' | 'azure'>,
  io: StepIo,
): Promise<AzureConnection> {
  const [{ armPipeline }, { credentialOf }, rest, { setLogLevel }] = await Promise.all([
    import('./pipeline.ts'),
    import('./login.ts'),
    import('@azure/core-rest-pipeline'),
    import('@azure/logger'),
  ]);
  // What the SDK would log to standard error with AZURE_LOG_LEVEL set is not checked for secrets: ours is.
  setLogLevel();
  const endpoints = endpointsOf(cloud, deps.azure);
  const credential = await credentialOf(login, endpoints, deps.resolveSecret, io.signal);
  const pipeline = armPipeline(credential, endpoints, io);
  const http = rest.createDefaultHttpClient();
  const options = { endpoint: endpoints.resourceManager, pipeline };

  const ask = async <T>(doing: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      io.signal.throwIfAborted();
      throw azureError(error, doing);
    }
  };

  return {
    compute: async (subscription) => {
      const { ComputeManagementClient } = await import('@azure/arm-compute');
      return new ComputeManagementClient(credential, subscription, options);
    },
    network: async (subscription) => {
      const { NetworkManagementClient } = await import('@azure/arm-network');
      return new NetworkManagementClient(credential, subscription, options);
    },
    ask,
    send: (doing, { method, path, apiVersion, query = {}, body }) =>
      ask(doing, async () => {
        const url = new URL(path, endpoints.resourceManager);
        if (apiVersion !== undefined) url.searchParams.set('api-version', apiVersion);
        for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
        const headers = rest.createHttpHeaders({
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        });
        const text = body === undefined ? {} : { body: JSON.stringify(body) };
        const request = rest.createPipelineRequest({ url: url.href, method, headers, ...text });
        return answerOf(await pipeline.sendRequest(http, request));
      }),
  };
}

/** @throws SyntaxError for a body that is no JSON. */
function answerOf({ status, headers, bodyAsText }: PipelineResponse): ArmAnswer {
  const body: unknown = bodyAsText ? JSON.parse(bodyAsText) : undefined;
  return { status, body, header: (name) => headers.get(name) };
}
