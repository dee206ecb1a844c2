import { runTool } from '../../activities/host/tool.ts';
import type { HostTool } from '../../activities/preflight/tools.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { isAtLeast, versionIn } from '../embedded/version.ts';
import { type Examination, failed, ok } from './check.ts';

/** Asks a program its version. */
export function toolExamination(tool: HostTool): Examination {
  return {
    name: tool.program,
    async examine() {
      try {
        const { stdout, stderr } = await runTool({
          program: tool.program,
          args: ['--version'],
          limits: { wallMs: 20_000 },
        });
        return judged(tool, versionIn(stdout + stderr));
      } catch (error) {
        if (error instanceof LonghaulError && error.code === 'TOOL_MISSING') {
          return failed('not installed', `Install it: apt-get install ${tool.package}`);
        }
        throw error;
      }
    },
  };
}

function judged(tool: HostTool, version: string | undefined) {
  if (tool.minimum === undefined || (version !== undefined && isAtLeast(version, tool.minimum))) {
    return ok(version ?? 'installed');
  }
  return failed(
    `version ${version ?? 'unknown'}, older than ${tool.minimum}: ${tool.because ?? 'that is too old'}`,
    `Install a later ${tool.package}.`,
  );
}
