import { leftoverFix } from './software.ts';

/** What Amazon's images have for EC2. Each is asked for on its own: one may be removed where another cannot. */
export const ec2AgentsFix = leftoverFix('ec2-agents', 'Remove the agents of Amazon EC2', [
  {
    name: 'Amazon SSM Agent',
    signs: ['/usr/bin/amazon-ssm-agent', '/var/lib/snapd/snaps/amazon-ssm-agent_*.snap'],
    services: ['amazon-ssm-agent', 'snap.amazon-ssm-agent.amazon-ssm-agent'],
  },
  {
    name: 'EC2 Instance Connect',
    signs: ['{/usr/share/ec2-instance-connect,/opt/aws/bin}/eic_run_authorized_keys'],
    services: ['ec2-instance-connect', 'ec2-instance-connect-harvest-hostkeys'],
  },
  {
    name: 'EC2 hibernation agent',
    signs: ['/usr/{bin,sbin}/hibinit-agent'],
    services: ['hibinit-agent'],
  },
  {
    name: 'EC2 network utilities',
    signs: [
      '/etc/sysconfig/network-scripts/ec2net-functions',
      '/etc/udev/rules.d/53-ec2-network-interfaces.rules',
      '{/usr,}/lib/udev/rules.d/99-vpc-policy-routes.rules',
    ],
    services: ['ec2-net-utils', 'elastic-network-interfaces'],
  },
]);
