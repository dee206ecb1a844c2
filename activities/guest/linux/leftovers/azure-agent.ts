import { leftoverFix } from './software.ts';

/** The agent looks for Azure's fabric for ever, and may set a hostname or a route on its way. */
export const azureAgentFix = leftoverFix('azure-agent', 'Remove the agent of Azure', [
  {
    name: 'The Azure Linux agent',
    signs: ['/usr/{bin,sbin,local/sbin}/waagent'],
    services: [
      'walinuxagent',
      'waagent',
      'waagent-network-setup',
      'walinuxagent-network-setup',
      'ephemeral-disk-warning',
    ],
  },
]);
