import { createServer } from 'node:net';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';

/**
 * Makes sure that a TCP port of the loopback interface can be listened on, and returns it; 0 gives a free one.
 * A server that answers on a taken port would else be mistaken for the one we start.
 *
 * @throws LonghaulError TEMPORAL_START_FAILED when something listens there already.
 */
export function claimablePort(port: number, purpose: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      reject(
        hasErrno(error, 'EADDRINUSE')
          ? new LonghaulError('TEMPORAL_START_FAILED', {
              found: `another program listens on 127.0.0.1:${port}, which ${purpose} needs`,
              remedy: `Stop it (ss -ltnp 'sport = :${port}' names it), choose another port, or use the server that runs there by its address.`,
              details: { port },
            })
          : error,
      );
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port));
    });
  });
}
