import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { download } from '../../../activities/transfer/download.ts';
import { fixedAccess } from '../../../activities/transfer/http-access.ts';
import { HttpRangeSource } from '../../../activities/transfer/http-source.ts';
import { createTransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { chunkBytes, type DownloadCost, downloadTask, type DownloadTask } from './downloading.ts';

/** Downloads the disks of the task on standard input side by side; prints the cost as JSON. */

const task = downloadTask.parse(await json(process.stdin));
const plane = createTransferPlane({ connections: task.connections });
const dispatcher = task.connectionPerRequest
  ? new Agent({ connections: task.connections, pipelining: 0 })
  : plane.dispatcher;
await sleep(500);

const idleMb = process.memoryUsage.rss() / 1e6;
const cpuBefore = process.cpuUsage();
const started = performance.now();
const done = await Promise.all(task.disks.map((disk) => fetchDisk(disk)));
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
await plane.close();
await dispatcher.destroy();

const cost: DownloadCost = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  idleMb,
  // getrusage(2) counts in units of 1024 bytes.
  peakMb: (process.resourceUsage().maxRSS * 1024) / 1e6,
  fetchedBytes: done.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0),
};
console.log(JSON.stringify(cost));

async function fetchDisk({ url, path, extents, sizeBytes }: DownloadTask['disks'][number]) {
  const access = fixedAccess(new URL(url));
  return await download({
    path,
    journalPath: `${path}.journal`,
    open: async () => {
      const { origin, pathname } = new URL(url);
      // Not by HEAD, after which undici closes the connection.
      const { headers, body } = await dispatcher.request({
        origin,
        path: pathname,
        method: 'GET',
        headers: { range: 'bytes=0-0' },
      });
      await body.dump();
      return new HttpRangeSource(
        { name: pathname, access, etag: String(headers['etag']), sizeBytes, extents },
        dispatcher,
      );
    },
    connections: task.connections,
    chunkBytes,
    limits: [],
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
}
