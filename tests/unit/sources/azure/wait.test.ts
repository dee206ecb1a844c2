import { describe, expect, it } from 'vitest';
import type { AzureConnection } from '../../../../activities/sources/azure/connect.ts';
import { operate, waitFor } from '../../../../activities/sources/azure/wait.ts';
import { testIo } from '../../../support/io.ts';

const tooLong = (what: string) => ({
  code: 'AZURE_FAILED',
  retryable: true,
  found: expect.stringContaining(what) as string,
});

describe('waiting for Azure', () => {
  it('ends with what is seen, and tells how far it is', async () => {
    const said: string[] = [];
    const states = ['0 %', '50 %', 'done'];
    const seen = await waitFor(
      {
        what: 'the snapshot web01',
        look: () => Promise.resolve(states.shift()),
        isOver: (state) => state === 'done',
        progress: (state) => state ?? '',
        limitMs: 60_000,
      },
      { ...testIo(), report: (doing) => said.push(doing) },
    );
    expect(seen).toBe('done');
    expect(said).toEqual(['waiting for the snapshot web01: 0 %', 'waiting for the snapshot web01: 50 %']);
  });

  it('is given up when it takes too long, and says what was waited for and how long', async () => {
    const never = { what: 'the snapshot web01', look: () => Promise.resolve(), isOver: () => false };
    await expect(waitFor({ ...never, limitMs: 40 }, testIo())).rejects.toMatchObject(
      tooLong('the snapshot web01: waited for 1 s'),
    );
  });

  it('is given up for an operation that does not end', async () => {
    const azure = { ask: (_doing: string, call: () => Promise<unknown>) => call() } as AzureConnection;
    const endless = ({ abortSignal }: { abortSignal: AbortSignal }) => ({
      onProgress: () => undefined,
      pollUntilDone: () =>
        new Promise<void>((_resolve, reject) => {
          abortSignal.addEventListener('abort', () => {
            reject(new Error('The operation was aborted.'));
          });
        }),
    });
    await expect(operate(azure, 'stop the VM web01', testIo(), endless, 40)).rejects.toMatchObject(
      tooLong('Azure to stop the VM web01: waited for 1 s'),
    );
  });
});
