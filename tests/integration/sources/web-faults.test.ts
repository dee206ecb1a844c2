import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { serverCertificates } from '../../support/certificates.ts';
import { RangeServer } from '../../support/range-server.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { webVm } from '../../support/web-vm.ts';

const MiB = 1024 ** 2;

let directory: string;
let server: Server;
/** What the TLS server does with a request. */
let answer: RequestListener;
let transfer: TransferPlane;
let origin: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longhaul-web-'));
  const { key, cert, ca } = serverCertificates(directory);
  server = createServer({ key, cert }, (request, response) => answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const dispatcher = new Agent({ connections: 2, connect: { ca } });
  transfer = { dispatcher, connections: 2, limits: [], close: () => dispatcher.destroy() };
});
afterAll(async () => {
  await transfer.dispatcher.destroy();
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true });
});

const disk = randomBytes(20 * MiB);
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1000).toUTCString();

/** A range as it should be, with other headers where a test wants them; undefined takes one out. */
const honest =
  (headers: Record<string, string | undefined> = {}, statusCode = 206): RequestListener =>
  (request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const body = disk.subarray(Number(first), Number(last) + 1);
    const all: Record<string, string | undefined> = {
      etag: '"1"',
      'content-range': `bytes ${first}-${last}/${disk.length}`,
      ...headers,
    };
    for (const [name, value] of Object.entries(all)) if (value !== undefined) response.setHeader(name, value);
    response.writeHead(statusCode, { 'content-length': body.length }).end(body);
  };
const saying =
  (statusCode: number, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(statusCode, headers).end();
  };

/** With a signature that nobody may see. */
const secretVm = (path = '/disk.raw') =>
  webVm([{ url: 'env:DISK' }], { transfer, environment: { DISK: `${origin}${path}?sig=hunter2` } });

describe('a web server that no download can rely on', () => {
  const refusals: [string, RequestListener, string, RegExp][] = [
    ['sends the whole file', honest({}, 200), 'TRANSFER_UNSUPPORTED', /is sent whole where a part was asked/],
    [
      'does not say which version it sends',
      honest({ etag: undefined }),
      'TRANSFER_UNSUPPORTED',
      /neither ETag/,
    ],
    ['has a weak ETag', honest({ etag: 'W/"1"' }), 'TRANSFER_UNSUPPORTED', /weak ETag/],
    [
      'has a weak ETag and a date',
      honest({ etag: 'W/"1"', 'last-modified': secondsAgo(9000) }),
      'TRANSFER_UNSUPPORTED',
      /weak ETag/,
    ],
    [
      'has no ETag for a file that was written just now',
      // Five seconds before the answer, however long the tests before this one took.
      (request, response) => honest({ etag: undefined, 'last-modified': secondsAgo(5) })(request, response),
      'TRANSFER_UNSUPPORTED',
      /this very minute/,
    ],
    [
      'does not say how long the file is',
      honest({ 'content-range': 'bytes 0-65535/*' }),
      'TRANSFER_UNSUPPORTED',
      /whole size/,
    ],
    [
      'sends another range',
      honest({ 'content-range': 'bytes 1-65536/99999' }),
      'TRANSFER_UNSUPPORTED',
      /other parts/,
    ],
    ['compresses', honest({ 'content-encoding': 'gzip' }), 'TRANSFER_UNSUPPORTED', /compressed/],
    [
      'has an empty file',
      saying(416, { 'content-range': 'bytes */0' }),
      'TRANSFER_UNSUPPORTED',
      /not one byte/,
    ],
    ['asks for a login', saying(401), 'TRANSFER_DENIED', /answers 401/],
    ['refuses', saying(403), 'TRANSFER_DENIED', /answers 403/],
    ['has no such file', saying(404), 'SOURCE_NOT_FOUND', /answers 404/],
    ['is overloaded', saying(503), 'TRANSFER_FAILED', /answers 503/],
    ['cuts the connection', (request) => request.destroy(), 'TRANSFER_FAILED', /cannot be asked for/],
    [
      'redirects for ever',
      saying(302, { location: '/disk.raw' }),
      'TRANSFER_UNSUPPORTED',
      /more than 5 times/,
    ],
    [
      'redirects to where others can read along',
      saying(302, { location: 'http://localhost/disk.raw?sig=hunter2' }),
      'TRANSFER_UNSUPPORTED',
      /does not begin with https/,
    ],
    ['redirects to nowhere', saying(302, { location: 'https://' }), 'TRANSFER_UNSUPPORTED', /no address/],
  ];

  it.each(refusals)(
    'is refused when it %s, with what to do and no secret',
    async (_what, fault, code, found) => {
      answer = fault;
      const { findings = [], remoteDisks } = await secretVm().describe();
      expect(findings).toMatchObject([
        { severity: 'blocker', code, found: expect.stringMatching(found) as string },
      ]);
      expect(findings[0]?.found).toContain(`${origin}/disk.raw`);
      expect(findings[0]?.remedy).not.toBe('');
      expect(remoteDisks).toEqual([]);
      expect(JSON.stringify(findings)).not.toContain('hunter2');
    },
  );

  it.each([
    ['is not trusted', () => origin, /NODE_EXTRA_CA_CERTS/],
    ['does not exist', () => 'https://nobody.invalid', /name of the server/],
    ['does not listen', () => 'https://localhost:1', /network between/],
    ['speaks no TLS', () => plain.url.origin.replace('http:', 'https:'), /speaks TLS/],
  ])('that %s is said to be', async (_what, of, remedy) => {
    answer = honest();
    const { findings } = await webVm([`${of()}/disk.raw`]).describe();
    expect(findings).toMatchObject([
      { severity: 'blocker', code: 'TRANSFER_FAILED', remedy: expect.stringMatching(remedy) as string },
    ]);
  });
  let plain: RangeServer;
  beforeAll(async () => {
    plain = await RangeServer.start(disk);
  });
  afterAll(() => plain.close());

  it('is taken with a warning when it does without TLS', async () => {
    const address = `${plain.url.origin}/disk.vhd`;
    const { findings, remoteDisks } = await webVm([address]).describe();
    expect(findings).toMatchObject([{ severity: 'warning', code: 'unprotected-transfer' }]);
    expect(remoteDisks).toMatchObject([{ name: address, dataBytes: disk.length }]);
  });
});

describe('a web server that marks versions by time', () => {
  const changed = { etag: undefined, 'last-modified': secondsAgo(9000) };

  it('is fetched from, and asked to say no when the file is another one', async () => {
    const conditions = new Set<string | undefined>();
    answer = (request, response) => {
      if (request.headers.range !== 'bytes=0-65535') conditions.add(request.headers['if-unmodified-since']);
      honest(changed)(request, response);
    };
    const vm = secretVm();
    await vm.acquire();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
    expect([...conditions]).toEqual([changed['last-modified']]);
  });

  it('makes the download begin anew when the time is another one, also an earlier one', async () => {
    let asked = 0;
    const earlier = secondsAgo(90_000);
    answer = (request, response) => {
      asked += 1;
      const time = asked < 3 ? changed['last-modified'] : earlier;
      honest({ etag: undefined, 'last-modified': time })(request, response);
    };
    const vm = secretVm();
    const [fetched] = await vm.acquire();
    expect(fetched?.transfer?.fetchedBytes).toBe(disk.length);
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
  });
});

describe('a web server that redirects to signed addresses', () => {
  it('is asked for another one when that has ended, and neither is shown', async () => {
    const signatures: string[] = [];
    let uses = 0;
    answer = (request, response) => {
      const url = new URL(request.url ?? '', origin);
      if (url.pathname === '/disk.raw') {
        signatures.push(randomBytes(8).toString('hex'));
        uses = 0;
        saying(302, { location: `/store/${signatures.length}?token=${signatures.at(-1) ?? ''}` })(
          request,
          response,
        );
      } else if (url.searchParams.get('token') !== signatures.at(-1) || (uses += 1) > 3) {
        saying(403)(request, response);
      } else honest()(request, response);
    };
    const vm = secretVm();
    const disks = await vm.acquire();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
    expect(signatures.length).toBeGreaterThan(1);
    const told = JSON.stringify([disks, await readFile(join(vm.work.fetched, 'disk0.journal'), 'utf8')]);
    for (const secret of [...signatures, 'hunter2', '/store/']) expect(told).not.toContain(secret);
    expect(disks[0]?.transfer?.from).toBe(`${origin}/disk.raw`);
  });
});

/** A VM whose disk comes over one connection. */
async function vmOn(stateDir: string) {
  const web = await RangeServer.start(disk);
  onTestFinished(() => web.close());
  const vm = webVm([{ url: 'env:DISK' }], {
    environment: { DISK: web.url.href },
    stateDir,
    transfer: { ...transfer, connections: 1 },
  });
  return { web, vm };
}

describe('a host that runs full', () => {
  /** A state directory with so much room. */
  async function smallHost(mebibytes: number): Promise<string> {
    const stateDir = join(scratchDirectory(), 'state');
    await mkdir(stateDir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', stateDir]);
    onTestFinished(() => void execFileSync('umount', [stateDir]));
    return stateDir;
  }
  const grow = (stateDir: string) => execFileSync('mount', ['-o', 'remount,size=64m', stateDir]);
  it('says before anything is fetched how many bytes are missing', async () => {
    const stateDir = await smallHost(12);
    const { web, vm } = await vmOn(stateDir);
    const error: unknown = await vm.acquire().catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      code: 'SPACE_INSUFFICIENT',
      details: { missingBytes: expect.any(Number) as number },
    });
    const { missingBytes } = (error as { details: { missingBytes: number } }).details;
    expect(missingBytes).toBeGreaterThanOrEqual(8 * MiB);
    expect(missingBytes).toBeLessThan(8.5 * MiB);
    expect(web.sentBytes).toBe(65_536);
    grow(stateDir);
    await vm.acquire();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
  });

  it('says so of disks that fit one by one and not together', async () => {
    const servers = await Promise.all(
      [disk, Buffer.from(disk).fill(1, 0, 512)].map((each) => RangeServer.start(each)),
    );
    onTestFinished(() => void servers.map((each) => each.close()));
    const [FIRST = '', SECOND = ''] = servers.map(({ url }) => url.href);
    const vm = webVm([{ url: 'env:FIRST' }, { url: 'env:SECOND' }], {
      environment: { FIRST, SECOND },
      stateDir: await smallHost(30),
    });
    await expect(vm.acquire()).rejects.toMatchObject({
      code: 'SPACE_INSUFFICIENT',
      found: expect.stringMatching(/and the other disks of the VM need/) as string,
    });
  });

  it('in the middle says how many are missing, and fetches none twice when there is room', async () => {
    const stateDir = await smallHost(26);
    const { web, vm } = await vmOn(stateDir);
    web.misbehave = async ({ count }) => {
      // Asked for its beginning, then a chunk: somebody else takes the room that is left.
      if (count === 3) await writeFile(join(stateDir, 'other'), Buffer.alloc(14 * MiB));
      return false;
    };
    const error: unknown = await vm.acquire().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'SPACE_INSUFFICIENT' });
    grow(stateDir);
    web.misbehave = () => false;
    const before = web.sentBytes;
    const [fetched] = await vm.acquire();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
    expect(fetched?.transfer?.fetchedBytes).toBe(disk.length - 8 * MiB);
    expect(web.sentBytes - before).toBe(65_536 + disk.length - 8 * MiB);
  });
});

describe('a host whose storage loses what was written', () => {
  it('is told so, and what was lost is fetched again when the storage is well', async () => {
    // A file system on a file for which there is not enough room: writes succeed, and are lost afterwards.
    const small = scratchDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=14m', 'tmpfs', small]);
    onTestFinished(() => void execFileSync('umount', [small]));
    const image = join(small, 'image');
    execFileSync('truncate', ['--size=64M', image]);
    execFileSync('mkfs.ext4', ['-q', '-O', '^has_journal', '-E', 'lazy_itable_init=1', image]);
    // What the file system keeps of itself lies at the beginning.
    execFileSync('fallocate', ['--length=8M', image]);
    const stateDir = join(scratchDirectory(), 'state');
    await mkdir(stateDir);
    const mount = () => execFileSync('mount', ['-o', 'loop,errors=continue', image, stateDir]);
    const unmount = () => execFileSync('umount', [stateDir]);
    mount();
    onTestFinished(() => void unmount());

    const { vm } = await vmOn(stateDir);
    await expect(vm.acquire()).rejects.toMatchObject({ code: 'SPACE_INSUFFICIENT' });
    execFileSync('mount', ['-o', 'remount,size=128m', small]);
    await vm.acquire();
    // What the page cache has is not what the storage has.
    unmount();
    mount();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(disk)).toBe(true);
  });
});

describe('a process that is killed while it fetches', () => {
  it('costs at most one chunk of each connection to fetch again', async () => {
    const large = randomBytes(128 * MiB);
    const web = await RangeServer.start(large);
    onTestFinished(() => web.close());
    const stateDir = scratchDirectory();
    const program = fileURLToPath(new URL('fetch-process.ts', import.meta.url));
    const [connections, chunkBytes] = [4, 8 * MiB];
    // So that kills meet it everywhere. Until its kill an attempt fetches one chunk over each connection at most, of
    // four: at least three are killed.
    web.misbehave = () => sleep(300).then(() => false);
    let kills = 0;
    while (kills < 6) {
      const child = spawn(process.execPath, [program, web.url.href, stateDir], { stdio: 'inherit' });
      const exit = once(child, 'exit');
      const before = web.asked;
      // Until it has begun: then it is killed at any moment.
      while (web.asked < before + 2 && child.exitCode === null) await sleep(20);
      await Promise.race([sleep(50 + Math.random() * 400), exit]);
      if (child.exitCode === 0) break;
      child.kill('SIGKILL');
      await exit;
      kills += 1;
    }
    const vm = webVm([{ url: 'env:DISK' }], { environment: { DISK: web.url.href }, stateDir });
    await vm.acquire();
    expect((await readFile(join(vm.work.fetched, 'disk0'))).equals(large)).toBe(true);
    expect(kills).toBeGreaterThan(2);
    expect(web.sentBytes).toBeLessThanOrEqual(
      large.length + (kills + 1) * (connections * chunkBytes + 65_536),
    );
    expect((await stat(join(vm.work.fetched, 'disk0'))).size).toBe(large.length);
  });
});
