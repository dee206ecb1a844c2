import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, redactLine } from '../../../workers/logging.ts';

describe('the log', () => {
  it('is JSON when it does not go to a terminal', () => {
    const stream = new PassThrough();
    createLogger('info', stream as unknown as NodeJS.WriteStream).info({ disk: 1 }, 'converted');
    expect(JSON.parse(String(stream.read()))).toMatchObject({ msg: 'converted', disk: 1 });
  });

  it.each([
    ['https://a.blob.example/x?sv=2024&sig=abc%2Bdef%3D&sp=r', 'abc%2Bdef'],
    ['Authorization: Bearer eyJhbGciOi.J9.x-y_z', 'eyJhbGciOi'],
    ['https://user:hunter2@host/disk', 'hunter2'],
    ['https://s3.example/d?X-Amz-Signature=0badcafe&x=1', '0badcafe'],
  ])('cuts secrets out of %s', (line, secret) => {
    expect(redactLine(JSON.stringify({ msg: line }))).not.toContain(secret);
  });

  it('writes no line with a signed URL in it', () => {
    const stream = new PassThrough();
    createLogger('info', stream as unknown as NodeJS.WriteStream).info(
      { url: 'https://h/x?sig=geheim' },
      'got',
    );
    expect(String(stream.read())).not.toContain('geheim');
  });
});
