import { z } from 'zod';
import type { BlobName } from '../storage/blob-service.ts';
import { badRequest, conflict } from './errors.ts';
import { activeGrants, hasActiveGrant } from './grants.ts';
import type { Grant, Resource } from './model.ts';
import type { Route } from './router.ts';
import { parseBody } from './tags.ts';
import type { World } from './world.ts';

/** Something whose bytes can be exported by a SAS. */
interface Exportable {
  exported: Resource & { grants: Grant[] };
  at: BlobName;
  /**
   * Called before access is granted, not before it is taken back.
   *
   * @throws ArmError when it cannot be exported as it is now.
   */
  check: () => void;
}

interface Access {
  /** Path of the resource, with names. */
  path: string;
  type: string;
  /** @throws ArmError when it is not there. */
  find: (params: Record<string, string>) => Promise<Exportable>;
}

/** A SAS may last 60 days. */
const maxSeconds = 60 * 86_400;
/** As many policies as a container can have. */
const maxPolicies = 5;
/** SAS URIs that snapshots of one family can have at a time; Azure's restrictions of incremental snapshots. */
const maxSasOfFamily = 5;

const body = z.object({
  access: z.enum(['Read', 'Write', 'None']),
  durationInSeconds: z.number().int().positive(),
  fileFormat: z.enum(['VHD', 'VHDX']).optional(),
  getSecureVMGuestStateSAS: z.boolean().optional(),
});

/** beginGetAccess and endGetAccess of a type. */
export function accessRoutes(world: World, { path, type, find }: Access): Route[] {
  return [
    {
      method: 'POST',
      path: `${path}/beginGetAccess`,
      action: `${type}/beginGetAccess/action`,
      handle: async ({ call, params }) => {
        const { durationInSeconds, access } = parseBody(body, call.body);
        if (durationInSeconds > maxSeconds)
          throw badRequest(
            'InvalidParameter',
            `The value of parameter durationInSeconds is invalid: at most ${maxSeconds}.`,
          );
        if (access !== 'Read')
          throw badRequest('InvalidParameter', `The value '${access}' of parameter access is invalid.`);
        const exportable = await find(params);
        exportable.check();
        return world.operations.start(call, {
          location: exportable.exported.location,
          kind: 'DiskOperations',
          succeed: async () => ({ accessSAS: await grant(world, exportable, durationInSeconds) }),
        });
      },
    },
    {
      method: 'POST',
      path: `${path}/endGetAccess`,
      action: `${type}/endGetAccess/action`,
      handle: async ({ call, params }) => {
        const { exported, at } = await find(params);
        return world.operations.start(call, {
          location: exported.location,
          kind: 'DiskOperations',
          succeed: () => revoke(world, exported, at),
        });
      },
    },
  ];
}

/** A SAS as Azure signs them for disks: it names a policy, and the policy has the end and the permission. */
async function grant(world: World, { exported, at }: Exportable, seconds: number): Promise<string> {
  const now = Date.now();
  // Clocks differ; a SAS that starts now may be refused for a moment.
  const added = { policyId: world.newId(), startsAtMs: now - 60_000, expiresAtMs: now + seconds * 1000 };
  exported.grants = [...activeGrants(exported), added].slice(-maxPolicies);
  await applyGrants(world, exported, at);
  return world.storage.sasUrl(at, added.policyId);
}

async function revoke(world: World, exported: { grants: Grant[] }, at: BlobName): Promise<void> {
  exported.grants = [];
  await applyGrants(world, exported, at);
}

/**
 * @param family All that show states of the same disk, `exported` among them.
 * @throws ArmError when as many of them have a SAS as may, and this one has none.
 */
export function refuseFullFamily(
  exported: Resource & { grants: Grant[] },
  family: readonly { grants: Grant[] }[],
): void {
  const active = family.filter(hasActiveGrant);
  if (active.length >= maxSasOfFamily && !hasActiveGrant(exported))
    throw conflict(
      'OperationNotAllowed',
      `Cannot grant access to ${exported.name}: ${maxSasOfFamily} snapshots of its incremental snapshot family have active shared access signatures already.`,
    );
}

/** Makes what storage believes the same as what is granted here. */
export const applyGrants = (world: World, { grants }: { grants: Grant[] }, at: BlobName): Promise<void> =>
  world.storage.setPolicies(
    at,
    grants.map(({ policyId, startsAtMs, expiresAtMs }) => ({ id: policyId, startsAtMs, expiresAtMs })),
  );
