import { randomUUID } from 'node:crypto';
import type { Call, Reply } from '../server.ts';
import type { Settings } from '../settings.ts';
import { ArmError } from './errors.ts';

/** The error a long-running operation ends with. */
export interface OperationError {
  code: string;
  message: string;
}

interface Operation {
  id: string;
  startedAt: Date;
  endedAt?: Date;
  error?: OperationError;
  /** What the operation answers: the final body of its Location, and `properties.output` of its status. */
  output?: unknown;
}

interface Start {
  location: string;
  /** `DiskOperations` for disks and snapshots, `operations` for VMs. */
  kind: 'DiskOperations' | 'operations';
  /** Takes effect when the operation succeeds; what it gives is the output. */
  succeed: () => unknown;
  fail?: () => void;
}

/** Long-running operations: accepted now, ended after `operationMs`, asked for in the meantime. */
export class Operations {
  readonly #subscription: string;
  readonly #settings: Settings;
  readonly #all = new Map<string, Operation>();
  readonly #failures: { path: RegExp; error: OperationError }[] = [];

  constructor(subscription: string, settings: Settings) {
    this.#subscription = subscription;
    this.#settings = settings;
  }

  /** The next operation that a request to this path starts ends as Failed. */
  failNext(path: RegExp, error: OperationError): void {
    this.#failures.push({ path, error });
  }

  /** Starts one; gives the 202 that accepts it, with `body` for a resource that is being made. */
  async start(call: Call, { location, kind, succeed, fail }: Start, body?: unknown): Promise<Reply> {
    const operation: Operation = { id: randomUUID(), startedAt: new Date() };
    this.#all.set(operation.id, operation);
    const planned = this.#failures.findIndex(({ path }) => path.test(call.url.pathname));
    const [failure] = planned < 0 ? [] : this.#failures.splice(planned, 1);
    const end = async () => {
      try {
        if (failure) throw new ArmError(500, failure.error.code, failure.error.message);
        operation.output = await succeed();
      } catch (error) {
        fail?.();
        const { code, message } =
          error instanceof ArmError ? error : { code: 'InternalServerError', message: String(error) };
        operation.error = { code, message };
      }
      operation.endedAt = new Date();
    };
    if (this.#settings.operationMs > 0) setTimeout(() => void end(), this.#settings.operationMs).unref();
    else await end();

    const path = `/subscriptions/${this.#subscription}/providers/Microsoft.Compute/locations/${location}/${kind}/${operation.id}`;
    const version = `api-version=${call.url.searchParams.get('api-version')}`;
    const query = `p=${operation.startedAt.getTime().toString(36)}`;
    return {
      status: 202,
      headers: {
        'azure-asyncoperation': `${call.url.origin}${path}?${query}&${version}`,
        location: `${call.url.origin}${path}?${query}&monitor=true&${version}`,
        ...this.#retryAfter(),
      },
      ...(body === undefined ? {} : { body }),
    };
  }

  /** Answers Azure-AsyncOperation (the state), and with `monitor=true` Location (the result). */
  ask(call: Call, id: string): Reply {
    const operation = this.#all.get(id.toLowerCase());
    if (!operation) throw new ArmError(404, 'NotFound', `The operation '${id}' was not found.`);
    return call.url.searchParams.get('monitor') === 'true'
      ? this.#result(call, operation)
      : this.#state(operation);
  }

  #state({ id, startedAt, endedAt, error, output }: Operation): Reply {
    return {
      status: 200,
      headers: endedAt ? {} : this.#retryAfter(),
      body: {
        startTime: startedAt.toISOString(),
        ...(endedAt ? { endTime: endedAt.toISOString() } : {}),
        status: error ? 'Failed' : endedAt ? 'Succeeded' : 'InProgress',
        ...(output === undefined ? {} : { properties: { output } }),
        ...(error ? { error } : {}),
        name: id,
      },
    };
  }

  #result(call: Call, { endedAt, error, output }: Operation): Reply {
    if (!endedAt) return { status: 202, headers: { location: call.url.href, ...this.#retryAfter() } };
    if (error) throw new ArmError(409, error.code, error.message);
    return { status: 200, ...(output === undefined ? {} : { body: output }) };
  }

  #retryAfter(): Record<string, string> {
    return { 'retry-after': String(this.#settings.retryAfterSeconds) };
  }
}
