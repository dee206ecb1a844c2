import type { Fix } from '../fix.ts';
import { azureAgentFix } from './azure-agent.ts';
import { cloudDatasourceFix } from './cloud-datasource.ts';
import { ec2AgentsFix } from './ec2-agents.ts';
import { gceAgentsFix } from './gce-agents.ts';
import { hypervDaemonsFix } from './hyperv-daemons.ts';
import { parallelsToolsFix } from './parallels-tools.ts';
import { resourceDiskFix } from './resource-disk.ts';
import { udevProgramsFix } from './udev-programs.ts';
import { virtualboxAdditionsFix } from './virtualbox-additions.ts';
import { vmwareToolsFix } from './vmware-tools.ts';
import { xenUtilitiesFix } from './xen-utilities.ts';

/** What other hypervisors and clouds left in a guest; the temporary disk before the agent that tells of it. */
export const leftoverFixes: readonly Fix[] = [
  resourceDiskFix,
  vmwareToolsFix,
  virtualboxAdditionsFix,
  parallelsToolsFix,
  xenUtilitiesFix,
  hypervDaemonsFix,
  azureAgentFix,
  ec2AgentsFix,
  gceAgentsFix,
  cloudDatasourceFix,
  udevProgramsFix,
];
