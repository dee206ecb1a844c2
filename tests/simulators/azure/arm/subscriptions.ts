import type { Route } from './router.ts';
import type { ResourceGroup } from './model.ts';
import { page } from './paging.ts';
import type { World } from './world.ts';

/** Subscriptions, resource groups, and what the caller may do in them. */
export function subscriptionRoutes(world: World): Route[] {
  const groups = '/subscriptions/{subscription}/resourcegroups';
  return [
    {
      method: 'GET',
      path: '/subscriptions',
      action: null,
      handle: () => ({
        status: 200,
        body: { value: [subscription(world)], count: { type: 'Total', value: 1 } },
      }),
    },
    {
      method: 'GET',
      path: '/subscriptions/{subscription}',
      action: 'Microsoft.Resources/subscriptions/read',
      handle: () => ({ status: 200, body: subscription(world) }),
    },
    {
      method: 'GET',
      path: '/subscriptions/{subscription}/locations',
      action: 'Microsoft.Resources/subscriptions/locations/read',
      handle: () => ({ status: 200, body: { value: locations(world) } }),
    },
    {
      method: 'GET',
      path: groups,
      action: 'Microsoft.Resources/subscriptions/resourceGroups/read',
      handle: ({ call }) => page(call.url, [...world.groups.values()], world.settings.pageSize, renderGroup),
    },
    {
      method: 'GET',
      path: `${groups}/{group}`,
      action: 'Microsoft.Resources/subscriptions/resourceGroups/read',
      handle: ({ params }) => ({ status: 200, body: renderGroup(world.group(params['group'] ?? '')) }),
    },
    {
      method: 'GET',
      path: `${groups}/{group}/providers/Microsoft.Authorization/permissions`,
      action: 'Microsoft.Authorization/permissions/read',
      handle: ({ params }) => {
        world.group(params['group'] ?? '');
        return { status: 200, body: { value: permissions(world) } };
      },
    },
  ];
}

const permissions = ({ settings: { allowedActions, deniedActions } }: World) => [
  { actions: allowedActions, notActions: deniedActions, dataActions: [], notDataActions: [] },
];

const subscription = (world: World) => ({
  id: `/subscriptions/${world.subscription}`,
  authorizationSource: 'RoleBased',
  managedByTenants: [],
  subscriptionId: world.subscription,
  tenantId: world.principal.tenant,
  displayName: world.subscriptionName,
  state: 'Enabled',
  subscriptionPolicies: {
    locationPlacementId: 'Public_2014-09-01',
    quotaId: 'PayAsYouGo_2014-09-01',
    spendingLimit: 'Off',
  },
});

const locations = (world: World) =>
  [...new Set([...world.groups.values()].map(({ location }) => location))].map((name) => ({
    id: `/subscriptions/${world.subscription}/locations/${name}`,
    name,
    type: 'Region',
    displayName: name,
  }));

const renderGroup = ({ id, name, location, tags }: ResourceGroup) => ({
  id,
  name,
  type: 'Microsoft.Resources/resourceGroups',
  location,
  tags,
  properties: { provisioningState: 'Succeeded' },
});
