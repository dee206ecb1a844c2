import { runTool } from '../../activities/host/tool.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { isAtLeast, versionIn } from '../embedded/version.ts';
import { type Examination, failed, ok } from './check.ts';

/** A program Longhaul runs, the Debian package that has it, and the oldest version that will do. */
export interface Tool {
  program: string;
  package: string;
  minimum?: string;
  /** What the oldest version is needed for. */
  because?: string;
}

/** Every program Longhaul runs on a host; scripts/packages.sh installs the same. */
export const hostTools: readonly Tool[] = [
  {
    program: 'qemu-img',
    package: 'qemu-utils',
    minimum: '6.0',
    because: 'earlier ones cannot state the format of a backing file',
  },
  {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    minimum: '6.0',
    because: 'it boots the result',
  },
  { program: 'virsh', package: 'libvirt-clients', minimum: '7.0', because: 'the domains need its schema' },
  { program: 'virt-xml-validate', package: 'libvirt-clients' },
  { program: 'xmllint', package: 'libxml2-utils' },
  { program: 'supermin', package: 'supermin' },
  { program: 'setpriv', package: 'util-linux' },
  { program: 'prlimit', package: 'util-linux' },
  { program: 'python3', package: 'python3' },
  { program: 'xz', package: 'xz-utils' },
  { program: 'zstd', package: 'zstd' },
  { program: 'lz4', package: 'lz4' },
];

export function toolExamination(tool: Tool): Examination {
  const install = `Install it: apt-get install ${tool.package}`;
  return {
    name: tool.program,
    async examine() {
      try {
        const { stdout, stderr } = await runTool({
          program: tool.program,
          args: ['--version'],
          limits: { wallMs: 20_000 },
        });
        const version = versionIn(stdout + stderr);
        if (tool.minimum !== undefined && (version === undefined || !isAtLeast(version, tool.minimum))) {
          return failed(
            `version ${version ?? 'unknown'}, older than ${tool.minimum}: ${tool.because ?? ''}`,
            `Install a later ${tool.package}.`,
          );
        }
        return ok(version ?? 'installed');
      } catch (error) {
        if (error instanceof LonghaulError && error.code === 'TOOL_MISSING') {
          return failed('not installed', install);
        }
        throw error;
      }
    },
  };
}
