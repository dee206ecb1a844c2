import type { CallName } from './calls.ts';

/** What passes between the worker and the process that holds libguestfs; structured clone over Node's IPC. */

/** One call at a time: the next request is sent after the answer. */
export type Request =
  | { kind: 'call'; name: CallName; args: readonly unknown[]; options: Record<string, string | boolean> }
  | { kind: 'close' };

export type Reply =
  | { kind: 'ready' }
  | { kind: 'result'; value: unknown }
  /** libguestfs's own message, errno or 0 as the appliance reported it, and whether it takes further calls. */
  | { kind: 'error'; message: string; errno: number; ready: boolean }
  /** What qemu and the appliance's kernel printed. */
  | { kind: 'console'; text: string }
  | { kind: 'progress'; position: number; total: number };
