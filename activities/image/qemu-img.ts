import { runTool, type ToolCall, type ToolResult } from '../host/tool.ts';

/** Address space of a qemu-img that only looks: metadata caches and thread stacks fit many times over. */
const lookMemoryBytes = 1024 ** 3;

/**
 * Runs qemu-img for a quick question, under tight limits. What it opens must be named by blockdev.ts with
 * the format stated at every level.
 *
 * @throws LonghaulError as `runTool`.
 */
export function askQemuImg(
  args: readonly string[],
  options: Pick<ToolCall, 'signal' | 'onLine' | 'acceptExitCodes'> = {},
): Promise<ToolResult> {
  return runTool({
    program: 'qemu-img',
    args,
    limits: { wallMs: 120_000, cpuSeconds: 60, memoryBytes: lookMemoryBytes },
    ...options,
  });
}
