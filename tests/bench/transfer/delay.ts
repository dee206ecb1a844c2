import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { limitedCommand } from '../../../activities/host/tool.ts';
import type { BlobServer, Place } from './blob-server.ts';

/** A round trip to the cloud. */
const roundTripMs = 20;
const port = 18_081;

/** A port of the server's address that answers as if it were far away. */
export async function farAway(
  server: BlobServer,
  { wrapper = [] }: Place,
): Promise<{ authority: string; stop: () => Promise<void> }> {
  const script = fileURLToPath(new URL('delay-process.ts', import.meta.url));
  const numbers = [port, server.port, roundTripMs / 2].map(String);
  const [program = '', ...args] = [...wrapper, process.execPath, script, server.address, ...numbers];
  const [command, all] = limitedCommand(program, args, {});
  const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the relay has ended'))),
  ]);
  return {
    authority: `${server.address}:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
