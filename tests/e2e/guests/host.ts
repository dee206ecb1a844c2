import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { run } from '../../guests/lib/run.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';

/** A directory that QEMU's own user gets at; there while the tests run. */
export let scratch: string;
export let host: LonghaulHost;

/** Has one host with its worker for all tests of a file. */
export function withHost(): void {
  beforeAll(async () => {
    scratch = await mkdtemp('/var/tmp/longhaul-e2e-');
    await run('chmod', ['0711', scratch]);
    host = await LonghaulHost.start(join(scratch, 'host'));
  });
  afterAll(async () => {
    await host.stop();
    await rm(scratch, { recursive: true });
  });
}
