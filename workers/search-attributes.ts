import { type ConnectionLike, isGrpcServiceError } from '@temporalio/client';
import { LonghaulError } from '../contracts/errors.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import { untilAnswered } from './until-answered.ts';

/** temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD */
const keywordType = 2;

// gRPC status codes, grpc/statuscodes.md
const [invalidArgument, deadlineExceeded, notFound, unavailable] = [3, 4, 5, 14] as const;

/** Names of every search attribute Longhaul sets. */
export const searchAttributeNames: readonly string[] = Object.values(searchAttributes).map(
  (attribute) => attribute.name,
);

/**
 * Registers Longhaul's search attributes in a namespace, where any is missing. Needs no special right when all
 * are there. Before: the namespace exists. After: workflows that set them can be started.
 *
 * @throws LonghaulError SEARCH_ATTRIBUTES_MISSING when the server does not let us (Temporal Cloud), or has one
 *   of these names with another type; TEMPORAL_UNREACHABLE when it does not answer or has no such namespace.
 */
export async function ensureSearchAttributes(connection: ConnectionLike, namespace: string): Promise<void> {
  await registerSearchAttributes(connection, namespace, await missingSearchAttributes(connection, namespace));
}

/**
 * Which of them a namespace lacks.
 *
 * @throws LonghaulError SEARCH_ATTRIBUTES_MISSING when it has one with another type; TEMPORAL_UNREACHABLE.
 */
export async function missingSearchAttributes(
  connection: ConnectionLike,
  namespace: string,
): Promise<string[]> {
  const { customAttributes } = await translated(namespace, () =>
    connection.operatorService.listSearchAttributes({ namespace }),
  );
  const types: Readonly<Record<string, number | undefined>> = customAttributes;
  const wrong = searchAttributeNames.filter((name) => (types[name] ?? keywordType) !== keywordType);
  if (wrong.length > 0) {
    throw new LonghaulError('SEARCH_ATTRIBUTES_MISSING', {
      found: `namespace ${namespace} has ${wrong.join(', ')} with a type other than Keyword`,
      remedy: 'Remove or rename these search attributes, or use another namespace.',
    });
  }
  return searchAttributeNames.filter((name) => types[name] === undefined);
}

/** Registers those that are missing, and waits until they can be used. Throws as `ensureSearchAttributes` does. */
export async function registerSearchAttributes(
  connection: ConnectionLike,
  namespace: string,
  missing: readonly string[],
): Promise<void> {
  if (missing.length === 0) return;
  await translated(namespace, async () => {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keywordType])),
    });
    // A query that names them is refused until the front end has heard of them.
    const query = searchAttributeNames.map((name) => `${name} = ''`).join(' OR ');
    await untilAnswered(
      () => connection.workflowService.countWorkflowExecutions({ namespace, query }),
      invalidArgument,
    );
  });
}

async function translated<T>(namespace: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    throw grpcFailure(error, namespace);
  }
}

function grpcFailure(error: Error & { code: number; details: string }, namespace: string): LonghaulError {
  if (error.code === deadlineExceeded || error.code === unavailable) {
    return new LonghaulError(
      'TEMPORAL_UNREACHABLE',
      { found: error.details, remedy: 'Start the server, or correct its address.' },
      error,
    );
  }
  if (error.code === notFound) {
    return new LonghaulError(
      'TEMPORAL_UNREACHABLE',
      {
        found: `the Temporal server has no namespace ${namespace}`,
        remedy: `Create it with \`longhaul setup --namespace ${namespace}\`, or name another one.`,
      },
      error,
    );
  }
  const names = searchAttributeNames.map((name) => `--name ${name} --type Keyword`).join(' ');
  return new LonghaulError(
    'SEARCH_ATTRIBUTES_MISSING',
    {
      found: `the server did not let them be registered in namespace ${namespace}: ${error.details}`,
      remedy: `Have an administrator run: temporal operator search-attribute create --namespace ${namespace} ${names}; in Temporal Cloud add them in the namespace's settings.`,
    },
    error,
  );
}
