import type { FaultEffect } from '../faults.ts';
import type { Reply } from '../server.ts';

/** An error answer of Resource Manager: `{error: {code, message}}`. */
export class ArmError extends Error {
  override readonly name = 'ArmError';
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  readonly more: Record<string, unknown>;

  constructor(
    status: number,
    code: string,
    message: string,
    {
      headers = {},
      ...more
    }: { headers?: Record<string, string>; target?: string; details?: unknown[] } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.more = more;
  }

  get reply(): Reply {
    const error = { code: this.code, message: this.message, ...this.more };
    return { status: this.status, headers: this.headers, body: { error } };
  }
}

export const badRequest = (code: string, message: string) => new ArmError(400, code, message);

/** A state that forbids what was asked. */
export const conflict = (code: string, message: string, target?: string) =>
  new ArmError(409, code, message, target === undefined ? {} : { target });

export const notFound = (type: string, name: string, group: string) =>
  new ArmError(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );

/** Throttling by the compute provider; "Troubleshooting API throttling errors" shows this answer. */
function throttled(retryAfterSeconds: number): ArmError {
  const now = new Date().toISOString();
  const target = 'HighCostGet30Min';
  const message = JSON.stringify({
    operationGroup: target,
    startTime: now,
    endTime: now,
    allowedRequestCount: 300,
    measuredRequestCount: 1238,
  });
  return new ArmError(
    429,
    'OperationNotAllowed',
    'The server rejected the request because too many requests have been received for this subscription.',
    {
      details: [{ code: 'TooManyRequests', target, message }],
      headers: {
        'retry-after': String(retryAfterSeconds),
        'x-ms-ratelimit-remaining-resource': `Microsoft.Compute/${target};0`,
      },
    },
  );
}

/** The answer that a fault stands for. */
export function armFault(effect: FaultEffect & { kind: 'status' }): Reply {
  const { status, code, message, retryAfterSeconds, headers } = effect;
  const error =
    status === 429 && code === undefined
      ? throttled(retryAfterSeconds ?? 1)
      : new ArmError(status, code ?? 'InternalServerError', message ?? 'The request could not be served.', {
          headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
        });
  return { ...error.reply, headers: { ...error.headers, ...headers } };
}
