import { GuestfsCallError, NativeHandle } from './native.ts';
import type { Reply, Request } from './protocol.ts';

/**
 * Entry of the process that holds libguestfs: a crash of the library or of a parser in it ends this process
 * and is an error for the worker, not its end. Calls block this process; the worker keeps the time limits.
 */
function send(reply: Reply): void {
  process.send?.(reply);
}

const handle = new NativeHandle({
  console: (text) => send({ kind: 'console', text }),
  progress: (position, total) => send({ kind: 'progress', position, total }),
});

process.on('message', (request: Request) => {
  if (request.kind === 'close') {
    handle.close();
    process.exit(0);
  }
  try {
    send({ kind: 'result', value: handle.call(request.name, request.args, request.options) });
  } catch (error) {
    if (!(error instanceof GuestfsCallError)) throw error;
    send({ kind: 'error', message: error.message, errno: error.errno, ready: handle.isReady() });
  }
});
// The worker closed the channel or is gone.
process.on('disconnect', () => process.exit(1));
send({ kind: 'ready' });
