import { type ConnectionLike, isGrpcServiceError } from '@temporalio/client';
import { LonghaulError } from '../contracts/errors.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';

/** temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD */
const keywordType = 2;

/** Seconds a server's processes may take to hear of new attributes; they refresh what they know of a namespace every 10. */
const spreadSeconds = 30;

/** Names of every search attribute Longhaul sets. */
const searchAttributeNames: readonly string[] = Object.values(searchAttributes).map(
  (attribute) => attribute.name,
);

/**
 * Registers Longhaul's search attributes in a namespace, where any is missing. Needs no special right when all
 * are there. Before: the namespace exists. After: workflows that set them can be started.
 *
 * @throws LonghaulError SEARCH_ATTRIBUTES_MISSING when the server does not let us (Temporal Cloud), or has one
 *   of these names with another type; TEMPORAL_UNREACHABLE when it does not answer.
 */
export async function ensureSearchAttributes(connection: ConnectionLike, namespace: string): Promise<void> {
  try {
    const missing = await missingAttributes(connection, namespace);
    if (missing.length === 0) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keywordType])),
    });
    await untilKnown(connection, namespace);
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    throw grpcFailure(error, namespace);
  }
}

async function missingAttributes(connection: ConnectionLike, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
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

/** A query that names them is refused until the front end has heard of them. */
async function untilKnown(connection: ConnectionLike, namespace: string): Promise<void> {
  const query = searchAttributeNames.map((name) => `${name} = ''`).join(' OR ');
  const deadline = Date.now() + spreadSeconds * 1000;
  for (;;) {
    try {
      await connection.workflowService.countWorkflowExecutions({ namespace, query });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

function grpcFailure(error: Error & { code: number; details: string }, namespace: string): LonghaulError {
  const unavailable = [4, 14]; // DEADLINE_EXCEEDED, UNAVAILABLE
  if (unavailable.includes(error.code)) {
    return new LonghaulError(
      'TEMPORAL_UNREACHABLE',
      { found: error.details, remedy: 'Start the server, or correct its address.' },
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
