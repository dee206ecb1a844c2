import type { Call, Reply } from '../server.ts';
import { badRequest, conflict } from './errors.ts';
import type { Disk, PowerState, Vm } from './model.ts';
import { hasActiveGrant } from './grants.ts';
import { page } from './paging.ts';
import { pathsOf, type ArmRequest, type Route } from './router.ts';
import { patchTags } from './tags.ts';
import type { World } from './world.ts';

const type = 'Microsoft.Compute/virtualMachines';

export function virtualMachineRoutes(world: World): Route[] {
  const paths = pathsOf(type);
  const read = `${type}/read`;
  const one = ({ params }: ArmRequest) =>
    world.require(world.vms, params['group'] ?? '', params['name'] ?? '');
  const power = (name: string, during: PowerState, after: PowerState): Route => ({
    method: 'POST',
    path: `${paths.one}/${name}`,
    action: `${type}/${name}/action`,
    handle: (request) => change(world, request.call, one(request), during, after),
  });
  return [
    {
      method: 'GET',
      path: paths.all,
      action: read,
      handle: ({ call }) => {
        refuseExpand(call.url);
        const statusOnly = call.url.searchParams.get('statusOnly') === 'true';
        return page(
          call.url,
          world.vms.list(),
          world.settings.pageSize,
          statusOnly ? renderStatus : renderVm,
        );
      },
    },
    {
      method: 'GET',
      path: paths.inGroup,
      action: read,
      handle: ({ call, params }) => {
        refuseExpand(call.url);
        const group = world.group(params['group'] ?? '').name;
        return page(call.url, world.vms.list(group), world.settings.pageSize, renderVm);
      },
    },
    {
      method: 'GET',
      path: paths.one,
      action: read,
      handle: (request) => {
        const vm = one(request);
        const body = renderVm(vm);
        if (!/instanceView/i.test(request.call.url.searchParams.get('$expand') ?? ''))
          return { status: 200, body };
        return {
          status: 200,
          body: { ...body, properties: { ...body.properties, instanceView: instanceView(vm) } },
        };
      },
    },
    {
      method: 'GET',
      path: `${paths.one}/instanceView`,
      action: `${type}/instanceView/read`,
      handle: (request) => ({ status: 200, body: instanceView(one(request)) }),
    },
    patchTags(world, { table: world.vms, path: paths.one, render: renderVm }),
    power('powerOff', 'stopping', 'stopped'),
    power('deallocate', 'deallocating', 'deallocated'),
    power('start', 'starting', 'running'),
  ];
}

/** Run-time status comes with a list only for members of a scale set; the API says a filter is required. */
function refuseExpand(url: URL): void {
  if (url.searchParams.has('$expand') && !url.searchParams.has('$filter'))
    throw badRequest(
      'BadRequest',
      "The '$expand' option can only be specified if a valid '$filter' option is specified.",
    );
}

function change(world: World, call: Call, vm: Vm, during: PowerState, after: PowerState): Promise<Reply> {
  const exported = [vm.osDisk, ...vm.dataDisks.map(({ disk }) => disk)].find(hasActiveGrant);
  if (after === 'running' && exported)
    throw conflict(
      'OperationNotAllowed',
      `There is an active shared access signature outstanding for disk ${exported.name}. Call EndGetAccess before attaching or deleting the disk.`,
    );
  const before = vm.powerState;
  vm.powerState = during;
  return world.operations.start(call, {
    location: vm.location,
    kind: 'operations',
    succeed: () => {
      vm.powerState = after;
    },
    fail: () => {
      vm.powerState = before;
    },
  });
}

const idOf = (id: string) => ({ id });

/** A VM as lists and `get` show it: without power state. */
function renderVm(vm: Vm) {
  const { id, name, location, tags, zones, vmId, size, osType, securityProfile } = vm;
  const osProfile =
    osType === 'Linux'
      ? { linuxConfiguration: { disablePasswordAuthentication: true, provisionVMAgent: true } }
      : { windowsConfiguration: { provisionVMAgent: true, enableAutomaticUpdates: true } };
  return {
    name,
    id,
    type,
    location,
    tags,
    ...(zones.length > 0 ? { zones } : {}),
    properties: {
      hardwareProfile: { vmSize: size },
      provisioningState: 'Succeeded',
      vmId,
      storageProfile: storageProfile(vm),
      osProfile: {
        computerName: name,
        adminUsername: 'azureuser',
        ...osProfile,
        secrets: [],
        allowExtensionOperations: true,
      },
      ...(securityProfile ? { securityProfile } : {}),
      networkProfile: {
        networkInterfaces: vm.nics.map((nic) => ({ id: nic.id, properties: { primary: nic.primary } })),
      },
      diagnosticsProfile: { bootDiagnostics: { enabled: true } },
      timeCreated: vm.createdAt.toISOString(),
    },
  };
}

export function storageProfile(vm: Vm) {
  const managed = (disk: Disk) => ({
    ...idOf(disk.id),
    // The type of storage is not told of a VM that holds no hardware.
    ...(vm.powerState === 'deallocated' ? {} : { storageAccountType: disk.sku }),
    ...(disk.encryption.diskEncryptionSetId === undefined
      ? {}
      : { diskEncryptionSet: idOf(disk.encryption.diskEncryptionSetId) }),
    ...(disk.securityProfile && 'securityEncryptionType' in disk.securityProfile
      ? { securityProfile: disk.securityProfile }
      : {}),
  });
  const sizeGiB = ({ sizeBytes }: Disk) =>
    vm.powerState === 'deallocated' ? {} : { diskSizeGB: Math.ceil(sizeBytes / 2 ** 30) };
  return {
    osDisk: {
      osType: vm.osType,
      name: vm.osDisk.name,
      createOption: 'FromImage',
      caching: vm.ephemeral ? 'ReadOnly' : 'ReadWrite',
      ...(vm.ephemeral ? { diffDiskSettings: { option: 'Local', placement: vm.ephemeral } } : {}),
      managedDisk: managed(vm.osDisk),
      deleteOption: 'Detach',
      ...sizeGiB(vm.osDisk),
    },
    dataDisks: vm.dataDisks.map(({ lun, disk }) => ({
      lun,
      name: disk.name,
      createOption: 'Attach',
      caching: 'None',
      managedDisk: managed(disk),
      deleteOption: 'Detach',
      toBeDetached: false,
      ...sizeGiB(disk),
    })),
  };
}

/**
 * With `statusOnly=true` a list says the run-time status and little else: no tags, disks or cards. It spells
 * the resource group in capitals, whatever it was called when it was made.
 */
function renderStatus(vm: Vm) {
  const { name, location, vmId } = vm;
  return {
    name,
    id: vm.id.replace(/(?<=\/resourceGroups\/)[^/]+/, (group) => group.toUpperCase()),
    type,
    location,
    properties: { vmId, provisioningState: 'Succeeded', instanceView: { statuses: statuses(vm) } },
  };
}

function instanceView(vm: Vm) {
  const provisioned = {
    code: 'ProvisioningState/succeeded',
    level: 'Info',
    displayStatus: 'Provisioning succeeded',
    time: vm.createdAt.toISOString(),
  };
  return {
    computerName: vm.name,
    hyperVGeneration: vm.generation,
    disks: [vm.osDisk, ...vm.dataDisks.map(({ disk }) => disk)].map(({ name }) => ({
      name,
      statuses: [provisioned],
    })),
    statuses: statuses(vm),
  };
}

const statuses = ({ powerState, createdAt }: Vm) => [
  {
    code: 'ProvisioningState/succeeded',
    level: 'Info',
    displayStatus: 'Provisioning succeeded',
    time: createdAt.toISOString(),
  },
  { code: `PowerState/${powerState}`, level: 'Info', displayStatus: `VM ${powerState}` },
];
