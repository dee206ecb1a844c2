import { describe, expect, it } from 'vitest';
import { redactLine } from '../../../contracts/redact.ts';

describe('a line for a log or an error', () => {
  it.each([
    ['https://a.blob.example/x?sv=2024&sig=abc%2Bdef%3D&sp=r', 'abc%2Bdef'],
    ['Authorization: Bearer eyJhbGciOi.J9.x-y_z', 'eyJhbGciOi'],
    ['https://user:hunter2@host/disk', 'hunter2'],
    ['https://s3.example/d?X-Amz-Signature=0badcafe&x=1', '0badcafe'],
  ])('cuts secrets out of %s', (line, secret) => {
    expect(redactLine(JSON.stringify({ msg: line }))).not.toContain(secret);
  });
});
