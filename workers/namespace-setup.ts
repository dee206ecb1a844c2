import { type ConnectionLike, isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { LonghaulError } from '../contracts/errors.ts';
import {
  missingSearchAttributes,
  registerSearchAttributes,
  searchAttributeNames,
} from './search-attributes.ts';
import { untilAnswered } from './until-answered.ts';

const hourSeconds = 3_600;
/** What a new namespace gets when nobody says. */
const defaultRetentionHours = 30 * 24;

// gRPC status codes, grpc/statuscodes.md
const [notFound, alreadyExists, permissionDenied, unimplemented] = [5, 6, 7, 12] as const;
/** temporal.api.enums.v1.NamespaceState.NAMESPACE_STATE_REGISTERED */
const registered = 1;

export interface SetupWishes {
  /** How long migrations stay listed after they ended; without it a namespace keeps what it has. */
  retentionHours?: number;
  /** Looks and changes nothing. */
  checkOnly?: boolean;
}

/** One thing that Longhaul needs of the server, as it was found, and whether it is now as it should be. */
export interface SetupItem {
  thing: 'namespace' | 'retention' | 'search-attribute';
  name: string;
  /** `there`: nothing to do. `done`: was missing or different. `lacking`: is, and was only looked at. */
  state: 'there' | 'done' | 'lacking';
  /** Of the retention: how long it was found to be; undefined without a namespace. */
  foundHours?: number;
  /** Of the retention: how long it is to be. */
  wantedHours?: number;
}

/**
 * Makes a namespace fit for Longhaul: creates it, sets its retention, registers the search attributes; each only
 * where it is not so already. After: migrations can be started in it.
 *
 * @throws LonghaulError SETUP_DENIED when the server does not let us; NAMESPACE_UNUSABLE for one that is being
 *   deleted; SEARCH_ATTRIBUTES_MISSING for attributes of another type or that may not be registered;
 *   otherwise the errors of Temporal's client.
 */
export async function setUpNamespace(
  connection: ConnectionLike,
  namespace: string,
  { retentionHours, checkOnly = false }: SetupWishes = {},
): Promise<SetupItem[]> {
  const found = await find(connection, namespace);
  const exists = found !== undefined;
  const wantedHours = retentionHours ?? found?.retentionHours ?? defaultRetentionHours;
  const retentionFits = found?.retentionHours === wantedHours;

  if (!checkOnly && !exists) await create(connection, namespace, wantedHours);
  else if (!checkOnly && !retentionFits) await setRetention(connection, namespace, wantedHours);

  // Whoever made it, also in the same moment: the server's processes hear of it one after another.
  if (exists || !checkOnly)
    await untilAnswered(() => connection.operatorService.listSearchAttributes({ namespace }), notFound);
  const missing =
    exists || !checkOnly ? await missingSearchAttributes(connection, namespace) : searchAttributeNames;
  if (!checkOnly) await registerSearchAttributes(connection, namespace, missing);

  const state = (fits: boolean) => (fits ? 'there' : checkOnly ? 'lacking' : 'done');
  return [
    { thing: 'namespace', name: namespace, state: state(exists) },
    {
      thing: 'retention',
      name: 'retention',
      state: state(retentionFits),
      ...(found === undefined ? {} : { foundHours: found.retentionHours }),
      wantedHours,
    },
    ...searchAttributeNames.map((name): SetupItem => ({
      thing: 'search-attribute',
      name,
      state: state(!missing.includes(name)),
    })),
  ];
}

async function find(
  connection: ConnectionLike,
  namespace: string,
): Promise<{ retentionHours: number } | undefined> {
  try {
    const { namespaceInfo, config } = await connection.workflowService.describeNamespace({ namespace });
    if (Number(namespaceInfo?.state) !== registered) throw unusable(namespace);
    const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
    return { retentionHours: seconds / hourSeconds };
  } catch (error) {
    if (hasStatus(error, notFound)) return undefined;
    throw error;
  }
}

async function create(connection: ConnectionLike, namespace: string, retentionHours: number): Promise<void> {
  await permitted(
    `namespace ${namespace} be created`,
    namespaceCommand('create', namespace, retentionHours),
    async () => {
      try {
        await connection.workflowService.registerNamespace({
          namespace,
          description: 'Longhaul: migrations of virtual machines to KVM',
          workflowExecutionRetentionPeriod: retention(retentionHours),
        });
      } catch (error) {
        // Somebody else has set it up in the same moment.
        if (!hasStatus(error, alreadyExists)) throw error;
      }
    },
  );
}

async function setRetention(connection: ConnectionLike, namespace: string, hours: number): Promise<void> {
  await permitted(
    `the retention of namespace ${namespace} be set`,
    namespaceCommand('update', namespace, hours),
    () =>
      connection.workflowService.updateNamespace({
        namespace,
        config: { workflowExecutionRetentionTtl: retention(hours) },
      }),
  );
}

const retention = (hours: number) => msToTs(hours * hourSeconds * 1000);

const namespaceCommand = (verb: 'create' | 'update', namespace: string, hours: number) =>
  `temporal operator namespace ${verb} --namespace ${namespace} --retention ${hours}h`;

/** A client whose certificate or key may not administer, and Temporal Cloud, which has no such calls. */
async function permitted<T>(what: string, command: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasStatus(error, permissionDenied) && !hasStatus(error, unimplemented)) throw error;
    throw new LonghaulError(
      'SETUP_DENIED',
      {
        found: `The server did not let ${what}: ${error.details}.`,
        remedy: `Use a profile that may, or have an administrator run: ${command}; in Temporal Cloud do it in the namespace's settings.`,
      },
      error,
    );
  }
}

function unusable(namespace: string): LonghaulError {
  return new LonghaulError('NAMESPACE_UNUSABLE', {
    found: `Namespace ${namespace} is being deleted, or was taken out of use.`,
    remedy: 'Wait until it is gone and set it up again, or use another name.',
  });
}

function hasStatus(error: unknown, code: number): error is Error & { code: number; details: string } {
  return isGrpcServiceError(error) && (error.code as number) === code;
}
