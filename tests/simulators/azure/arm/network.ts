import type { IpConfiguration, Nic, PublicIp } from './model.ts';
import { readRoutes } from './read-routes.ts';
import type { Route } from './router.ts';
import type { World } from './world.ts';

/** Network cards and public addresses: read only. */
export const networkRoutes = (world: World): Route[] => [
  ...readRoutes(world, world.nics, renderNic),
  ...readRoutes(world, world.publicIps, renderPublicIp),
];

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
