import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NamespaceSetup } from '../../../client/longhaul-client.ts';
import { startCliBench, type CliBench } from './cli-bench.ts';

let bench: CliBench;
let connection: Connection;
beforeAll(async () => {
  bench = await startCliBench();
  connection = await Connection.connect({ address: bench.address });
});
afterAll(async () => {
  await connection.close();
  await bench.stop();
});

const setup = (namespace: string, ...args: string[]) =>
  bench.run(['setup', '--namespace', namespace, ...args]);
const found = async (namespace: string): Promise<Record<string, string>> => {
  const { stdout } = await setup(namespace, '--check', '--json');
  const { items } = JSON.parse(stdout) as NamespaceSetup;
  return Object.fromEntries(items.map(({ name, state }) => [name, state]));
};

describe('longhaul setup', () => {
  it('makes a namespace with all that migrations need, and says the second time that nothing was to be done', async () => {
    const first = await setup('fresh');
    expect(first.stderr).toBe('');
    expect(first.stdout).toMatch(/done +namespace fresh +created\n +done +retention +30 d\n/);
    expect(first.stdout).toMatch(/done +search attribute LonghaulState +registered\n/);
    expect(first.stdout).toContain('Ready for Longhaul.\n');
    expect(first.code).toBe(0);
    expect((await bench.run(['list', '--namespace', 'fresh'])).stdout).toBe('No migrations yet.\n');

    const second = await setup('fresh');
    expect(second.stdout).not.toContain('done');
    expect(second.stdout).toContain('there was nothing to do');
    expect(second.code).toBe(0);
  });

  it('only looks with --check, and ends with 8 when something is lacking', async () => {
    const looked = await setup('nowhere', '--check');
    expect(looked.code).toBe(8);
    expect(looked.stdout).toMatch(/lacking +namespace nowhere/);
    expect(new Set(Object.values(await found('nowhere')))).toEqual(new Set(['lacking']));
  });

  it('keeps the retention that a namespace has unless it is told one', async () => {
    await connection.workflowService.registerNamespace({
      namespace: 'kept',
      workflowExecutionRetentionPeriod: msToTs('7 days'),
    });
    expect((await setup('kept')).stdout).toMatch(/ok +retention +7 d\n/);
    expect(await found('kept')).toMatchObject({ kept: 'there', retention: 'there', LonghaulVm: 'there' });

    const checked = await setup('kept', '--retention', '30d', '--check');
    expect(checked.stdout).toMatch(/lacking +retention +7 d, not 30 d/);
    expect(checked.code).toBe(8);
    expect((await setup('kept', '--retention', '720h')).stdout).toMatch(/done +retention +30 d, was 7 d/);
  });

  it('may be run by two at once', async () => {
    const both = await Promise.all([setup('twice'), setup('twice')]);
    expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
  });

  it('leaves a namespace alone whose search attributes are of other types', async () => {
    await connection.workflowService.registerNamespace({
      namespace: 'odd',
      workflowExecutionRetentionPeriod: msToTs('7 days'),
    });
    const int = 3; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_INT
    await expect
      .poll(
        () =>
          connection.operatorService
            .addSearchAttributes({
              namespace: 'odd',
              searchAttributes: Object.fromEntries([['LonghaulVm', int]]),
            })
            .then(() => true, String),
        { interval: 500 },
      )
      .toBe(true);
    await expect.poll(async () => (await setup('odd')).stderr).toContain('LonghaulVm');
    const refused = await setup('odd', '--json');
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'SEARCH_ATTRIBUTES_MISSING' } });
  });

  it('says so when a namespace is not in use any more, and when no server answers', async () => {
    await setup('gone');
    await connection.workflowService.deprecateNamespace({ namespace: 'gone' });
    const gone = await setup('gone');
    expect(gone.stderr).toContain('[NAMESPACE_UNUSABLE]');
    expect(gone.code).toBe(1);

    const away = await bench.run(['setup'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(away.stderr).toContain('[TEMPORAL_UNREACHABLE]');
    expect(away.code).toBe(3);
    expect((await setup('fresh', '--retention', '5')).code).toBe(2);
  });
});
