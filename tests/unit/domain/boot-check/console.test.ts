import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { scratchDirectory } from '../../../support/scratch.ts';

const run = promisify(execFile);
const consolePath = new URL('../../../../activities/domain/boot-check/console.ts', import.meta.url).href;

/** A guest that says a lot and then asks for a login, seen by a process whose files may not grow over 4 KiB. */
const script = (logPath: string) => `
  import { connect } from 'node:net';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { Console } from '${consolePath}';
  const console_ = await Console.open(${JSON.stringify(logPath)});
  const guest = connect(console_.port, '127.0.0.1');
  for (let line = 0; line < 20; line++) {
    guest.write('x'.repeat(1000) + '\\n');
    await sleep(20);
  }
  guest.write('web01 login: ');
  while (!console_.reader.verdict) await sleep(50);
  await console_.close();
  guest.destroy();
  console.log(JSON.stringify(console_.reader.verdict));
`;

describe('the console of a boot check', () => {
  it('goes on when its log can no longer be written', async () => {
    const log = join(scratchDirectory(), 'console.log');
    const args = ['--fsize=4096', '--', process.execPath, '--input-type=module', '--eval', script(log)];
    const { stdout } = await run('prlimit', args);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'alive', sign: 'login-prompt' });
    expect((await stat(log)).size).toBe(4096);
  });
});
