import type { IpConfiguration, Nic, PublicIp, Resource, Table } from './model.ts';
import { page } from './paging.ts';
import { pathsOf, type Route } from './router.ts';
import type { World } from './world.ts';

/** Network cards and public addresses: read only. */
export const networkRoutes = (world: World): Route[] => [
  ...readRoutes(world, world.nics, renderNic),
  ...readRoutes(world, world.publicIps, renderPublicIp),
];

function readRoutes<T extends Resource>(
  world: World,
  table: Table<T>,
  render: (resource: T) => unknown,
): Route[] {
  const paths = pathsOf(table.type);
  const action = `${table.type}/read`;
  return [
    {
      method: 'GET',
      path: paths.all,
      action,
      handle: ({ call }) => page(call.url, table.list(), world.settings.pageSize, render),
    },
    {
      method: 'GET',
      path: paths.inGroup,
      action,
      handle: ({ call, params }) => {
        const group = world.group(params['group'] ?? '').name;
        return page(call.url, table.list(group), world.settings.pageSize, render);
      },
    },
    {
      method: 'GET',
      path: paths.one,
      action,
      handle: ({ params }) => ({
        status: 200,
        body: render(world.require(table, params['group'] ?? '', params['name'] ?? '')),
      }),
    },
  ];
}

const renderNic = (nic: Nic) => ({
  name: nic.name,
  id: nic.id,
  etag: `W/"${nic.createdAt.getTime().toString(16)}"`,
  type: 'Microsoft.Network/networkInterfaces',
  location: nic.location,
  tags: nic.tags,
  kind: 'Regular',
  properties: {
    provisioningState: 'Succeeded',
    ipConfigurations: nic.ipConfigurations.map((configuration, at) =>
      renderIpConfiguration(nic, configuration, at === 0),
    ),
    dnsSettings: { dnsServers: [], appliedDnsServers: [] },
    ...(nic.mac === undefined ? {} : { macAddress: nic.mac }),
    enableAcceleratedNetworking: nic.acceleratedNetworking,
    enableIPForwarding: false,
    vnetEncryptionSupported: false,
    primary: nic.primary,
    ...(nic.vmId === undefined ? {} : { virtualMachine: { id: nic.vmId } }),
    nicType: 'Standard',
  },
});

function renderIpConfiguration(nic: Nic, configuration: IpConfiguration, primary: boolean) {
  const { name, privateIp, allocation, subnetId, publicIp } = configuration;
  return {
    name,
    id: `${nic.id}/ipConfigurations/${name}`,
    type: 'Microsoft.Network/networkInterfaces/ipConfigurations',
    properties: {
      provisioningState: 'Succeeded',
      privateIPAddress: privateIp,
      privateIPAllocationMethod: allocation,
      ...(publicIp ? { publicIPAddress: { id: publicIp.id } } : {}),
      subnet: { id: subnetId },
      primary,
      privateIPAddressVersion: privateIp.includes(':') ? 'IPv6' : 'IPv4',
    },
  };
}

const renderPublicIp = ({ name, id, location, tags, address }: PublicIp) => ({
  name,
  id,
  type: 'Microsoft.Network/publicIPAddresses',
  location,
  tags,
  sku: { name: 'Standard', tier: 'Regional' },
  properties: {
    provisioningState: 'Succeeded',
    ...(address === undefined ? {} : { ipAddress: address }),
    publicIPAddressVersion: 'IPv4',
    publicIPAllocationMethod: 'Static',
    idleTimeoutInMinutes: 4,
  },
});
