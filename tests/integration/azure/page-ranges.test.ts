import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { readPageRanges } from '../../../activities/sources/azure/page-ranges.ts';
import { SnapshotBlob } from '../../../activities/sources/azure/snapshot-blob.ts';
import type { HttpAccess } from '../../../activities/transfer/http-access.ts';

const { signal } = new AbortController();
const closes: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

/** A blob behind a server that gives these answers, one after another. */
async function blobOf(...answers: Answer[]) {
  const asked: URL[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://server');
    asked.push(url);
    const answer = answers.shift();
    if (answer) answer(request, response, url);
    else response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dispatcher = new Agent();
  closes.push(
    () => dispatcher.destroy(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  const at = (sig: string) =>
    new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/disk?se=2099&sig=${sig}`);
  let sig = 'a%2Bb%3D';
  const access: HttpAccess = {
    current: () => Promise.resolve(at(sig)),
    renewed: () => Promise.resolve(sig === 'new' ? undefined : at((sig = 'new'))),
  };
  return { blob: new SnapshotBlob('disk 1 of web01', access, dispatcher), asked };
}

const list =
  (xml: string, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(200, { etag: '"1"', 'x-ms-blob-content-length': '1049088', ...headers }).end(xml);
const pages = (...ranges: [number, number][]) =>
  ranges.map(([start, end]) => `<PageRange><Start>${start}</Start><End>${end}</End></PageRange>`).join('');
const whole = (content: string, next = '') =>
  `<?xml version="1.0" encoding="utf-8"?><PageList>${content}<NextMarker>${next}</NextMarker></PageList>`;
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(code, headers).end('<Error/>');

describe('the page list of a snapshot', () => {
  it('is read to its end, and a range that an answer cut in two is one', async () => {
    const { blob, asked } = await blobOf(
      list(whole(pages([0, 511], [4096, 8191]), 'two')),
      list(whole(pages([8192, 9215], [1048576, 1049087]))),
    );
    expect(await readPageRanges(blob, signal)).toEqual({
      blobBytes: 1_049_088,
      etag: '"1"',
      data: [
        { offset: 0, length: 512 },
        { offset: 4096, length: 5120 },
        { offset: 1_048_576, length: 512 },
      ],
      cleared: [],
    });
    expect(asked.map((url) => url.searchParams.get('marker'))).toEqual([null, 'two']);
    // The signature goes as it came.
    expect(asked[0]?.search).toMatch(/^\?se=2099&sig=a%2Bb%3D&comp=pagelist/);
  });

  it('of a disk that was never written to is empty', async () => {
    const { blob } = await blobOf(list('<?xml version="1.0"?><PageList />'));
    expect((await readPageRanges(blob, signal)).data).toEqual([]);
  });

  it('of a comparison tells what was cleared, and the earlier snapshot goes in a header', async () => {
    let header: unknown;
    const { blob } = await blobOf((request, response, url) => {
      header = request.headers['x-ms-previous-snapshot-url'];
      list(whole(`${pages([0, 511])}<ClearRange><Start>512</Start><End>1023</End></ClearRange>`))(
        request,
        response,
        url,
      );
    });
    const previous = new URL('http://127.0.0.1/before?sig=x');
    const { data, cleared } = await readPageRanges(blob, signal, previous);
    expect([data, cleared]).toEqual([[{ offset: 0, length: 512 }], [{ offset: 512, length: 512 }]]);
    expect(header).toBe(previous.href);
  });

  it('is asked for again while the service is busy, and with another signature when one was refused', async () => {
    const { blob, asked } = await blobOf(
      status(503, { 'retry-after': '0' }),
      status(403),
      (request) => request.socket.destroy(),
      list(whole(pages([0, 511]))),
    );
    expect((await readPageRanges(blob, signal)).data).toHaveLength(1);
    expect(asked.map((url) => url.searchParams.get('sig'))).toEqual(['a+b=', 'a+b=', 'new', 'new']);
  });

  it.each<[string, string, Answer[]]>([
    [
      'refused for good',
      'TRANSFER_DENIED',
      [status(403), status(403, { 'x-ms-error-code': 'AuthenticationFailed' })],
    ],
    ['that is not there', 'TRANSFER_FAILED', [status(404)]],
    ['that is not XML', 'TRANSFER_FAILED', [list('<PageList><PageRange>')]],
    ['with an end before its start', 'TRANSFER_FAILED', [list(whole(pages([1024, 511])))]],
    [
      'with a number that is none',
      'TRANSFER_FAILED',
      [list('<PageList><PageRange><Start>1e3</Start><End>x</End></PageRange></PageList>')],
    ],
    ['that is not in order', 'TRANSFER_FAILED', [list(whole(pages([4096, 8191], [0, 511])))]],
    ['without a size', 'TRANSFER_FAILED', [list(whole(''), { 'x-ms-blob-content-length': '' })]],
    ['that goes in circles', 'TRANSFER_FAILED', [list(whole('', 'two')), list(whole('', 'two'))]],
    [
      'of a disk that changes meanwhile',
      'SOURCE_CHANGED',
      [list(whole('', 'two')), list(whole(''), { etag: '"2"' })],
    ],
  ])('%s ends in an error without the signature', async (_what, code, answers) => {
    const { blob } = await blobOf(...answers);
    const error: unknown = await readPageRanges(blob, signal).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain('sig=');
  });

  it('takes no entity for what it stands for', async () => {
    const { blob } = await blobOf(
      list(
        '<!DOCTYPE x [<!ENTITY n "1">]><PageList><PageRange><Start>&n;</Start><End>511</End></PageRange></PageList>',
      ),
    );
    await expect(readPageRanges(blob, signal)).rejects.toMatchObject({ code: 'TRANSFER_FAILED' });
  });
});
