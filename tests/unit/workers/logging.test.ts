import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../workers/logging.ts';

describe('the log', () => {
  it('is JSON when it does not go to a terminal', () => {
    const stream = new PassThrough();
    createLogger('info', stream as unknown as NodeJS.WriteStream).info({ disk: 1 }, 'converted');
    expect(JSON.parse(String(stream.read()))).toMatchObject({ msg: 'converted', disk: 1 });
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
