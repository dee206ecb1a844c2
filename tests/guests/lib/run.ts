import { runTool, type ToolResult } from '../../../activities/host/tool.ts';

/** Says what is going on, one line for people. */
export type Say = (line: string) => void;

export interface RunOptions {
  wallMs?: number;
  input?: string;
  env?: Readonly<Record<string, string>>;
  acceptExitCodes?: readonly number[];
}

/** Runs a program of the host; five minutes at most unless told. Its output is returned. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<ToolResult> {
  const { wallMs = 300_000, ...rest } = options;
  return runTool({ program, args, limits: { wallMs }, ...rest });
}

/** The proxy settings of the caller, for the programs that download. */
export function proxyEnv(): Record<string, string> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
