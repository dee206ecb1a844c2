import { leftoverFix } from './software.ts';

/** The guest utilities of XenServer, Citrix Hypervisor and XCP-ng. */
export const xenUtilitiesFix = leftoverFix('xen-utilities', 'Remove the guest utilities of Xen', [
  {
    name: 'XenServer guest utilities',
    signs: [
      '/usr/{bin,sbin}/{xe-daemon,xe-linux-distribution,xen-guest-agent}',
      '/etc/init.d/xe-{daemon,linux-distribution}',
    ],
    services: ['xe-daemon', 'xe-linux-distribution', 'xen-guest-agent'],
  },
]);
