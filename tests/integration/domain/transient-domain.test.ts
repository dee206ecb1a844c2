import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TransientDomain } from '../../../activities/domain/boot-check/transient-domain.ts';
import { Virsh } from '../../../activities/host/libvirt.ts';
import { scratchDirectory } from '../../support/scratch.ts';

/** libvirt's own driver for tests, without a daemon; each test names its connection in a way of its own. */
const virshOf = (name: string) => new Virsh(`test:///default?${name}`);
const uuid = '6695eb01-f6a4-8304-79aa-97f2502e193f';

/** The process that holds a connection open, once it runs. */
async function holderOf(uri: string): Promise<number> {
  for (;;) {
    const tasks = `/proc/${process.pid}/task`;
    const children = readdirSync(tasks).flatMap((task) =>
      readFileSync(join(tasks, task, 'children'), 'utf8')
        .split(' ')
        .filter(Boolean),
    );
    const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`=${uri}`));
    if (found !== undefined) return Number(found);
    await sleep(5);
  }
}

describe('a domain that lives as long as we hold it', () => {
  it('fails at once when the program that would hold it cannot be started', async () => {
    const definition = { directory: '/nowhere', xmlName: 'x.xml' };
    const starting = TransientDomain.start(virshOf('gone'), uuid, definition, new AbortController().signal);
    await expect(starting).rejects.toMatchObject({ code: 'DOMAIN_DEFINE_FAILED' });
  });

  it('ends although the program that holds it hangs', async () => {
    const virsh = virshOf('hangs');
    const definition = { directory: scratchDirectory(), xmlName: 'x.xml' };
    const abort = new AbortController();
    const starting = TransientDomain.start(virsh, uuid, definition, abort.signal);
    process.kill(await holderOf(virsh.uri), 'SIGSTOP');
    abort.abort(new Error('cancelled'));
    await expect(starting).rejects.toThrow('cancelled');
  });
});
