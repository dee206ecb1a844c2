import { didYouMean } from '../contracts/nearest.ts';
import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  QueryRejectedError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client';
import {
  ApplicationFailure,
  CancelledFailure,
  NamespaceNotFoundError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowNotFoundError,
} from '@temporalio/common';
import type { ErrorCode } from '../contracts/error-codes.ts';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import { workflowTaskQueue } from '../contracts/queues.ts';
import { unreachable } from './connect.ts';
import { isErrorCode } from './exit-codes.ts';

/** What the translation needs to name in its words. */
export interface ErrorPlace {
  address: string;
  namespace: string;
  migrationId?: string;
}

// gRPC status codes, grpc/statuscodes.md
const [
  cancelled,
  invalidArgument,
  deadlineExceeded,
  notFound,
  permissionDenied,
  failedPrecondition,
  unavailable,
  unauthenticated,
] = [1, 3, 4, 5, 7, 9, 14, 16] as const;

/** Whatever Temporal's client threw, as a LonghaulError that says what to do. */
export function fromTemporal(error: unknown, place: ErrorPlace): LonghaulError {
  if (error instanceof LonghaulError) return error;
  const id = place.migrationId ?? 'the migration';
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError)
    return fromFailure(error.cause, id);
  if (error instanceof WorkflowExecutionAlreadyStartedError) return exists(error);
  if (error instanceof NamespaceNotFoundError) return namespaceMissing(error, place);
  if (error instanceof WorkflowNotFoundError)
    return /already completed/.test(error.message)
      ? new LonghaulError(
          'MIGRATION_ENDED',
          { found: `${id} has ended already.`, remedy: `See how with \`longhaul report ${id}\`.` },
          error,
        )
      : notFoundError(id, error);
  if (error instanceof QueryNotRegisteredError || error instanceof QueryRejectedError)
    return noWorker(place, error);
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return notAnswered(place, error);
  if (isGrpcServiceError(error)) return fromGrpc(error, place, id);
  if (error instanceof Error && isGrpcServiceError(error.cause)) return fromGrpc(error.cause, place, id);
  return new LonghaulError(
    'INTERNAL',
    {
      found: messageOf(error),
      remedy: 'Please report it, with the output of the same command and --verbose.',
    },
    error,
  );
}

type GrpcError = Error & { code: number; details: string };

function fromGrpc(error: GrpcError, place: ErrorPlace, id: string): LonghaulError {
  switch (error.code) {
    case unavailable:
    case permissionDenied:
    case unauthenticated:
      return unreachable(place.address, error);
    // The SDK cancels a call whose time is over, when it notices before the server does.
    case cancelled:
    case deadlineExceeded:
    case failedPrecondition:
      return noWorker(place, error);
    case notFound:
      return /namespace/i.test(error.details) ? namespaceMissing(error, place) : notFoundError(id, error);
    case invalidArgument:
      if (/search attribute/i.test(error.details)) return attributesMissing(error, place);
      break;
  }
  return new LonghaulError(
    'INTERNAL',
    {
      found: `The Temporal server answered: ${error.details}.`,
      remedy: 'See the log of the server; report it if the server is well.',
    },
    error,
  );
}

function notFoundError(id: string, cause: unknown): LonghaulError {
  return new LonghaulError(
    'MIGRATION_NOT_FOUND',
    { found: `There is no migration ${id}.`, remedy: 'See which there are with `longhaul list`.' },
    cause,
  );
}

/** A failure of the workflow as the workflow worded it; unknown kinds keep their message. */
export function fromFailure(cause: unknown, id: string): LonghaulError {
  if (cause instanceof ApplicationFailure) {
    const facts = factsOf(cause.details?.[0]);
    const code: ErrorCode = isErrorCode(cause.type) ? cause.type : 'INTERNAL';
    return new LonghaulError(
      code,
      { found: facts.found ?? cause.message, remedy: facts.remedy ?? remedyFor(code, id) },
      cause,
    );
  }
  if (cause instanceof CancelledFailure)
    return new LonghaulError(
      'MIGRATION_ABORTED',
      {
        found: `${id} was cancelled.`,
        remedy: `To try again move or remove the disks it kept (longhaul report ${id} lists them), then start it with the same spec.`,
      },
      cause,
    );
  if (cause instanceof TerminatedFailure)
    return new LonghaulError(
      'MIGRATION_ABORTED',
      {
        found: `${id} was terminated from outside (${cause.message}), so nothing was undone.`,
        remedy:
          'Restart the worker of its host: it removes work files, and the domain unless that was started. Move or remove finished disks, then start it again with the same spec.',
      },
      cause,
    );
  if (cause instanceof TimeoutFailure)
    return new LonghaulError(
      'STEP_TIMEOUT',
      {
        found: `${id} ran into Temporal's time limit (${cause.timeoutType}).`,
        remedy: remedyFor('STEP_TIMEOUT', id),
      },
      cause,
    );
  return new LonghaulError('INTERNAL', { found: messageOf(cause), remedy: remedyFor('INTERNAL', id) }, cause);
}

function factsOf(details: unknown): { found?: string; remedy?: string } {
  if (typeof details !== 'object' || details === null) return {};
  const { found, remedy } = details as Record<string, unknown>;
  return {
    ...(typeof found === 'string' ? { found } : {}),
    ...(typeof remedy === 'string' ? { remedy } : {}),
  };
}

function remedyFor(code: ErrorCode, id: string): string {
  if (code === 'MIGRATION_NOT_PARKED') return `See what it is doing with \`longhaul status ${id}\`.`;
  if (code === 'REASSIGN_REFUSED')
    return `To have it elsewhere abort or cancel it (longhaul cancel ${id}), then start it there.`;
  return `TROUBLESHOOTING.md has more under ${code}; the worker log has the details.`;
}

function exists(error: WorkflowExecutionAlreadyStartedError): LonghaulError {
  const id = error.workflowId;
  return new LonghaulError(
    'MIGRATION_EXISTS',
    {
      found: `This VM is being migrated or was migrated already, as ${id}.`,
      remedy: `See it with \`longhaul status ${id}\`. When it has ended and is to be done once more, add --again.`,
    },
    error,
  );
}

/** NO_WORKER: the server is there, and nobody takes its work. */
export function noWorker(place: ErrorPlace, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'NO_WORKER',
    {
      found: `No worker answers on queue "${workflowTaskQueue}" of namespace "${place.namespace}" at ${place.address}.`,
      remedy:
        'Start one on the KVM host with `longhaul worker` (or `longhaul up`), or see why it does not answer.',
    },
    cause,
  );
}

/** NO_WORKER for what the server has taken, and may yet give to a worker. */
function notAnswered(place: ErrorPlace, cause: unknown): LonghaulError {
  const { found, remedy } = noWorker(place);
  const more = 'It may still be done when one answers: look before you ask once more.';
  return new LonghaulError('NO_WORKER', { found, remedy: `${remedy} ${more}` }, cause);
}

/** NO_WORKER for one host, with the host that was probably meant. */
export function noHost(hostId: string, known: readonly string[]): LonghaulError {
  const hosts = [...new Set(known)].sort();
  const others = hosts.length === 0 ? 'No host has one.' : `Hosts that have one: ${hosts.join(', ')}.`;
  return new LonghaulError('NO_WORKER', {
    found: `No worker answers for the host "${hostId}"${didYouMean(hostId, hosts) || '.'}`,
    remedy: `Check the name of the host, or start \`longhaul worker\` there. ${others}`,
    details: { hostId, hosts },
  });
}

/** NO_WORKER for a label that a spec asks for. */
export function noLabel(label: string): LonghaulError {
  return new LonghaulError('NO_WORKER', {
    found: `No host that has a worker has the label "${label}".`,
    remedy:
      'See the labels of hosts with `longhaul host list`; a worker is given one with --label or LONGHAUL_LABELS.',
    details: { label },
  });
}

function namespaceMissing(error: unknown, place: ErrorPlace): LonghaulError {
  return new LonghaulError(
    'TEMPORAL_UNREACHABLE',
    {
      found: `The Temporal server at ${place.address} has no namespace "${place.namespace}".`,
      remedy: `Name one it has (--namespace, TEMPORAL_NAMESPACE), or create it: longhaul setup --namespace ${place.namespace}`,
    },
    error,
  );
}

function attributesMissing(error: GrpcError, place: ErrorPlace): LonghaulError {
  return new LonghaulError(
    'SEARCH_ATTRIBUTES_MISSING',
    {
      found: `Namespace "${place.namespace}" at ${place.address} does not know Longhaul's search attributes: ${error.details}.`,
      remedy: 'Run `longhaul setup`, which registers them; a worker does so too when it starts.',
    },
    error,
  );
}
