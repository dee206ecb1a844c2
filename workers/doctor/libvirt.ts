import { runTool } from '../../activities/host/tool.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { type Examination, failed, ok, warning } from './check.ts';

async function virsh(uri: string, args: readonly string[]): Promise<string> {
  const { stdout } = await runTool({
    program: 'virsh',
    args: ['--quiet', '--connect', uri, ...args],
    limits: { wallMs: 20_000 },
  });
  return stdout;
}

export function libvirtExamination(uri: string): Examination {
  return {
    name: 'libvirt',
    async examine() {
      try {
        // Not `version`: where QEMU hangs under KVM, libvirt waits half a minute for it to tell its own.
        await virsh(uri, ['uri']);
        return ok(`answers at ${uri}`);
      } catch (error) {
        if (!(error instanceof LonghaulError)) throw error;
        return failed(
          `${uri} does not answer: ${error.found}`,
          'Start it: systemctl enable --now libvirtd (without a service manager: scripts/start-libvirt.sh as root); as another user than root, join the group libvirt.',
        );
      }
    },
  };
}

/** The network NICs go to when a spec maps none; a warning, because a spec may map others. */
export function defaultNetworkExamination(uri: string): Examination {
  return {
    name: 'default network',
    async examine() {
      const names = (await virsh(uri, ['net-list', '--all', '--name']))
        .split('\n')
        .map((line) => line.trim());
      if (!names.includes('default')) {
        return warning(
          'libvirt has no network named default',
          'Define it (package libvirt-daemon-config-network has it), or map NICs to another in target.networks.',
        );
      }
      const active = (await virsh(uri, ['net-list', '--name'])).split('\n').map((line) => line.trim());
      return active.includes('default')
        ? ok('active')
        : warning('not active', 'Run: virsh net-start default; virsh net-autostart default');
    },
  };
}
