import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { workflowsPath } from '../support/control-plane.ts';

const folder = new URL('histories/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

describe('migrations that were under way when the workflow code changed', () => {
  it('go on: every committed history replays', async () => {
    const histories = names.map((name) => ({
      workflowId: name,
      history: JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as unknown,
    }));
    const broken: string[] = [];
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowsPath }, histories)) {
      if (error) broken.push(`${workflowId}: ${error.message}`);
    }
    expect(broken).toEqual([]);
    expect(names.length).toBeGreaterThan(5);
  });
});
