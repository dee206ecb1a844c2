import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, type DownloadJob, type TransferProgress } from '../../../activities/transfer/download.ts';
import { fixedAccess, type HttpAccess } from '../../../activities/transfer/http-access.ts';
import { HttpRangeSource } from '../../../activities/transfer/http-source.ts';
import { RateLimit } from '../../../activities/transfer/rate-limit.ts';
import type { LonghaulError } from '../../../contracts/errors.ts';
import { RangeServer } from '../../support/range-server.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const KiB = 1024;
const chunkBytes = 64 * KiB;
const sizeBytes = 4096 * KiB;
const extents = [
  { offset: 0, length: 200 * KiB },
  { offset: 512 * KiB + 512, length: 100 * KiB },
  { offset: 4095 * KiB, length: KiB },
];
const dataBytes = 301 * KiB;

/** A disk with data in its extents and nowhere else. */
function newDisk(): Buffer {
  const disk = Buffer.alloc(sizeBytes);
  for (const { offset, length } of extents) randomBytes(length).copy(disk, offset);
  return disk;
}

/** A slow machine does not pass for a server that stalls, unless a test is about one. */
const newAgent = (stallMs = 10_000) =>
  new Agent({ connections: 4, bodyTimeout: stallMs, headersTimeout: stallMs });
const tuning = { firstWaitMs: 5, maxWaitMs: 20, settleMs: 20, patienceMs: 10_000, maxVoid: 4 };

let server: RangeServer;
let agent: Agent;
let path: string;
beforeEach(async () => {
  server = await RangeServer.start(newDisk());
  agent = newAgent();
  path = join(scratchDirectory(), 'disk1.raw');
});
afterEach(async () => {
  await agent.destroy();
  await server.close();
});

interface Watched extends Partial<DownloadJob> {
  access?: HttpAccess;
}

function fetchDisk({ access = fixedAccess(server.url), ...more }: Watched = {}) {
  return download({
    path,
    journalPath: `${path}.journal`,
    open: () =>
      Promise.resolve(
        new HttpRangeSource({ name: 'disk 1', access, etag: server.etag, sizeBytes, extents }, agent),
      ),
    connections: 4,
    chunkBytes,
    limits: [],
    signal: new AbortController().signal,
    onProgress: () => undefined,
    tuning,
    ...more,
  });
}

async function failure(job: Watched = {}): Promise<LonghaulError> {
  return (await fetchDisk({ tuning: { ...tuning, patienceMs: 1_000 }, ...job }).then(
    () => undefined,
    (error: unknown) => error,
  )) as LonghaulError;
}

async function expectWhole(): Promise<void> {
  expect((await readFile(path)).equals(server.disk)).toBe(true);
}

describe('a download', () => {
  it('fetches what the disk has and nothing else, into a sparse file of the size of the disk', async () => {
    const done = await fetchDisk();
    expect(done).toMatchObject({ identity: server.etag, sizeBytes, dataBytes, fetchedBytes: dataBytes });
    expect(server.sentBytes).toBe(dataBytes);
    await expectWhole();
    const { blocks, mode } = await stat(path);
    expect(blocks * 512).toBeLessThan(dataBytes + 64 * KiB);
    expect(mode & 0o777).toBe(0o600);
  });

  it('opens as many connections as it may, and uses them again', async () => {
    await fetchDisk();
    expect(server.asked).toBeGreaterThan(4);
    expect(server.connections).toBeLessThanOrEqual(4);
  });

  it('has one digest for one content, whatever happened on the way', async () => {
    const { sha256 } = await fetchDisk();
    await rm(path);
    server.misbehave = ({ count }, response) => count % 3 === 0 && Boolean(response.destroy());
    expect(await fetchDisk()).toMatchObject({ sha256, fetchedBytes: dataBytes });
    await expectWhole();
  });

  it('has nothing to fetch the second time', async () => {
    const { sha256 } = await fetchDisk();
    expect(await fetchDisk()).toMatchObject({ sha256, fetchedBytes: 0 });
  });

  it('keeps to its share of bytes a second', async () => {
    const started = performance.now();
    await fetchDisk({ limits: [new RateLimit(dataBytes)] });
    // Half a second of them may come at once.
    expect(performance.now() - started).toBeGreaterThan(400);
  });
});

it('downloads of several disks keep to the limit of the host together', async () => {
  const limits = [new RateLimit(2 * dataBytes)];
  const started = performance.now();
  await Promise.all(
    ['disk1', 'disk2', 'disk3'].map((name) => {
      const one = `${path}.${name}`;
      return fetchDisk({ path: one, journalPath: `${one}.journal`, limits });
    }),
  );
  // One and a half seconds of bytes, of which half a second's may come at once.
  expect(performance.now() - started).toBeGreaterThan(900);
});

describe('an interrupted download', () => {
  it('that was stopped fetches only the rest', async () => {
    const stop = new AbortController();
    server.misbehave = ({ count }) => {
      if (count === 4) stop.abort(new Error('stopped'));
      return false;
    };
    await expect(fetchDisk({ signal: stop.signal, connections: 1 })).rejects.toThrow('stopped');
    server.sentBytes = 0;
    const { fetchedBytes } = await fetchDisk();
    expect(fetchedBytes).toBe(dataBytes - 3 * chunkBytes);
    await expectWhole();
  });

  it('looks at what was not made durable, and fetches again what is not there', async () => {
    await fetchDisk();
    const lines = (await readFile(`${path}.journal`, 'utf8')).split('\n').filter((line) => line !== '');
    const notes = lines.filter((line) => line.includes('sha256'));
    const [head = ''] = lines;
    const text = [head, ...notes.slice(0, 2), '{"settled":2}', ...notes.slice(2), ''].join('\n');
    await writeFile(`${path}.journal`, text);
    // After a power cut there may be zeros where the last writes were.
    const { offset } = JSON.parse(notes[3] ?? '') as { offset: number };
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(512), 0, 512, offset);
    await file.close();
    server.asked = 0;
    await fetchDisk();
    expect(server.asked).toBe(1);
    await expectWhole();
    // What is safe now is not looked at again.
    server.asked = 0;
    await fetchDisk();
    expect(server.asked).toBe(0);
  });

  it('does not mind a journal whose last line was cut short', async () => {
    await fetchDisk();
    const text = await readFile(`${path}.journal`, 'utf8');
    const cut = text.lastIndexOf('{"offset"') + 20;
    await writeFile(`${path}.journal`, text.slice(0, cut));
    server.asked = 0;
    await fetchDisk();
    expect(server.asked).toBe(1);
    await expectWhole();
  });

  it.each([
    [
      'a journal of another disk',
      () => {
        server.replace(newDisk());
        return Promise.resolve();
      },
    ],
    [
      'a journal of another file',
      async () => writeFile(path, await readFile(path).then((all) => rm(path).then(() => all))),
    ],
    ['a file that was cut', () => truncate(path, 2048 * KiB)],
    ['no journal', () => rm(`${path}.journal`)],
    ['a journal without a head', () => writeFile(`${path}.journal`, '{"offset":0,"sha256":"00"}\n')],
  ])('begins anew with %s', async (_what, happen) => {
    await fetchDisk();
    await happen();
    expect(await fetchDisk()).toMatchObject({ fetchedBytes: dataBytes });
    await expectWhole();
  });
});

describe('a server that misbehaves', () => {
  it('by sending the whole disk makes the download begin anew, and never appends', async () => {
    server.misbehave = ({ count }, response) => {
      if (count !== 3) return false;
      response.writeHead(200, { etag: server.etag }).end(server.disk);
      return true;
    };
    await fetchDisk({ connections: 1 });
    await expectWhole();
    // Two chunks were fetched in vain.
    expect(server.sentBytes).toBe(dataBytes + 2 * chunkBytes);
  });

  it('by sending the whole disk always is refused', async () => {
    server.misbehave = (_ask, response) => Boolean(response.writeHead(200).end(server.disk));
    expect(await failure()).toMatchObject({ code: 'SOURCE_CHANGED', retryable: false });
  });

  it.each<[string, RangeServer['misbehave']]>([
    ['says that the disk is shorter than it was', (_ask, response) => Boolean(response.writeHead(416).end())],
    [
      'does not say any more of which disk a range is',
      (ask, response) => {
        const { first, last } = ask;
        const range = { 'content-range': `bytes ${first}-${last}/${sizeBytes}` };
        response.writeHead(206, range).end(server.disk.subarray(first, last + 1));
        return true;
      },
    ],
  ])('in the middle, which %s, makes the download begin anew', async (_what, fault) => {
    server.misbehave = (ask, response) => ask.count === 3 && fault(ask, response);
    await fetchDisk({ connections: 1 });
    await expectWhole();
    // What came of two chunks before does not count.
    expect(server.sentBytes).toBeGreaterThanOrEqual(dataBytes + 2 * chunkBytes);
  });

  it('by changing the disk midway makes the download begin anew with the new one', async () => {
    server.misbehave = ({ count }) => {
      if (count === 4) server.replace(newDisk());
      return false;
    };
    expect(await fetchDisk()).toMatchObject({ identity: server.etag });
    await expectWhole();
  });

  it.each([
    [
      'ends a range early',
      (ask, response) => {
        server.send(ask, response, {
          body: server.disk.subarray(ask.first, ask.first + 100),
          headers: { 'content-length': 100 },
        });
        return true;
      },
    ],
    [
      'cuts the connection in the middle of a range',
      (ask, response) => {
        response.writeHead(206, {
          etag: server.etag,
          'content-length': ask.last - ask.first + 1,
          'content-range': `bytes ${ask.first}-${ask.last}/${sizeBytes}`,
        });
        response.write(server.disk.subarray(ask.first, ask.first + 1000), () => response.destroy());
        return true;
      },
    ],
    [
      'sends another range',
      (ask, response) => {
        server.send(ask, response, {
          headers: { 'content-range': `bytes ${ask.first + 1}-${ask.last + 1}/${sizeBytes}` },
        });
        return true;
      },
    ],
    [
      'sends bytes that do not match their digest',
      (ask, response) => {
        const body = Buffer.from(server.disk.subarray(ask.first, ask.last + 1));
        const md5 = createHash('md5').update(body).digest('base64');
        body[0] = (body[0] ?? 0) ^ 1;
        server.send(ask, response, { body, headers: { 'content-md5': md5 } });
        return true;
      },
    ],
    ['is overloaded', (_ask, response) => Boolean(response.writeHead(503).end())],
    ['resets the connection', (_ask, response) => Boolean(response.destroy())],
  ] as [string, RangeServer['misbehave']][])(
    'now and then, which %s, is asked again',
    async (_what, fault) => {
      server.misbehave = (ask, response) => (ask.count % 3 === 2 ? fault(ask, response) : false);
      await fetchDisk();
      await expectWhole();
    },
  );

  it('now and then, which stalls, is asked again', async () => {
    await agent.destroy();
    agent = newAgent(400);
    server.misbehave = ({ count }) => count % 3 === 2;
    await fetchDisk();
    await expectWhole();
  });

  it('that wants to be left alone is, by every connection, and the operator sees it', async () => {
    let closedUntil = 0;
    let asksMeanwhile = 0;
    server.misbehave = ({ count }, response) => {
      if (performance.now() < closedUntil - 50) asksMeanwhile += 1;
      if (count !== 6) return false;
      closedUntil = performance.now() + 1_000;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    };
    const seen: TransferProgress[] = [];
    await fetchDisk({ onProgress: (progress) => seen.push(progress) });
    expect(asksMeanwhile).toBeLessThanOrEqual(3);
    expect(seen.map(({ waiting }) => waiting)).toContain('disk 1 asks to be left alone for 1 s');
    await expectWhole();
  });

  it('for good ends the download with what to do, what came is kept, and nothing secret is told', async () => {
    server.misbehave = ({ count }, response) => count > 3 && Boolean(response.writeHead(503).end());
    const error = await failure({ connections: 1 });
    expect(error).toMatchObject({ code: 'TRANSFER_FAILED', retryable: true });
    expect(
      JSON.stringify([error.found, error.remedy, error.message, String(error.cause), error.stack]),
    ).not.toContain('sig=');
    server.misbehave = () => false;
    expect(await fetchDisk()).toMatchObject({ fetchedBytes: dataBytes - 3 * chunkBytes });
  });

  it('that is not there is tried again and then said', async () => {
    const access = fixedAccess(new URL('http://127.0.0.1:1/disk'));
    expect(await failure({ access })).toMatchObject({ code: 'TRANSFER_FAILED' });
    expect(await failure({ access: fixedAccess(new URL('http://nobody.invalid/disk')) })).toMatchObject({
      code: 'TRANSFER_FAILED',
    });
  });

  it('that refuses an address gets another one', async () => {
    server.misbehave = ({ request }, response) =>
      request.url?.includes('sig=secret') === true &&
      Boolean(response.writeHead(403).end('signature expired'));
    const good = new URL(server.url);
    good.search = '?sig=new';
    let renewals = 0;
    const access: HttpAccess = {
      current: () => Promise.resolve(renewals > 0 ? good : server.url),
      renewed: () => Promise.resolve((renewals += 1) > 0 ? good : undefined),
    };
    await fetchDisk({ access });
    await expectWhole();
    expect(await failure({ path: `${path}2`, journalPath: `${path}2.journal` })).toMatchObject({
      code: 'TRANSFER_DENIED',
      retryable: false,
    });
  });
});
