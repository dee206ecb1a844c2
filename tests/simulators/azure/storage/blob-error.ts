import { randomUUID } from 'node:crypto';
import type { FaultEffect } from '../faults.ts';
import type { Reply } from '../server.ts';

export interface BlobError {
  status: number;
  code: string;
  message: string;
}

/** An error of the blob service: XML, and its code in a header. */
export function blobError({ status, code, message }: BlobError, headers: Record<string, string> = {}): Reply {
  const requestId = randomUUID();
  const time = new Date().toISOString();
  return {
    status,
    headers: {
      'content-type': 'application/xml',
      'x-ms-error-code': code,
      'x-ms-request-id': requestId,
      ...headers,
    },
    body: `\u{feff}<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}\nRequestId:${requestId}\nTime:${time}</Message></Error>`,
  };
}

/** The answer that a fault stands for: by default the one of a busy server. */
export function blobFault(effect: FaultEffect & { kind: 'status' }): Reply {
  const { status, code = 'ServerBusy', message = 'The server is busy.', retryAfterSeconds, headers } = effect;
  const more = { ...headers };
  if (retryAfterSeconds !== undefined) more['retry-after'] = String(retryAfterSeconds);
  return blobError({ status, code, message }, more);
}
