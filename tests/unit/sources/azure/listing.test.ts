import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AzureConnection } from '../../../../activities/sources/azure/connect.ts';
import { azureError } from '../../../../activities/sources/azure/errors.ts';
import { listAll } from '../../../../activities/sources/azure/listing.ts';

const named = z.object({ name: z.string() });
const azure: Pick<AzureConnection, 'ask'> = {
  ask: async (doing, call) => {
    try {
      return await call();
    } catch (error) {
      throw azureError(error, doing);
    }
  },
};
const list = (pages: () => AsyncIterable<unknown[]>) =>
  listAll(azure, 'list the VMs', named, () => ({ byPage: pages }));

describe('a listing', () => {
  it('has the items of all pages', async () => {
    const items = await list(async function* () {
      yield [{ name: 'a' }, { name: 'b' }];
      yield [];
      yield await Promise.resolve([{ name: 'c', more: true }]);
    });
    expect(items.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  it('that never ends is given up', async () => {
    const endless = list(async function* () {
      for (;;) yield await Promise.resolve([]);
    });
    await expect(endless).rejects.toMatchObject({
      code: 'AZURE_FAILED',
      found: expect.stringContaining('more than 5000 pages') as string,
    });
  });

  it('with something else in it is refused, saying what', async () => {
    const odd = list(async function* () {
      yield await Promise.resolve([{ name: 7 }]);
    });
    await expect(odd).rejects.toMatchObject({
      code: 'AZURE_FAILED',
      found: expect.stringMatching(/^to list the VMs Azure answered what cannot be read: .*name/s) as string,
    });
  });
});
