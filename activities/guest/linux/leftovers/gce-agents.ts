import { leftoverFix } from './software.ts';

/** Google's guest environment: one product, whose packages depend on each other. */
export const gceAgentsFix = leftoverFix('gce-agents', 'Remove the agents of Google Compute Engine', [
  {
    name: 'The guest environment of Google Compute Engine',
    signs: [
      '/usr/{bin,sbin}/google_{guest_agent,guest_agent_manager,guest_compat_manager,osconfig_agent}',
      '/usr/bin/google_{metadata_script_runner,set_multiqueue,set_hostname,optimize_local_ssd}',
      '{/usr,}/lib/udev/rules.d/6[45]-gce-disk-{removal,naming}.rules',
    ],
    services: [
      'google-guest-agent',
      'google-guest-agent-manager',
      'google-guest-compat-manager',
      'google-osconfig-agent',
      'google-startup-scripts',
      'google-shutdown-scripts',
      'google-accounts-daemon',
      'google-clock-skew-daemon',
      'google-instance-setup',
      'google-network-daemon',
    ],
  },
]);
