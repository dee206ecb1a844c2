import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { workflowCode } from '../../workers/workflow-bundle.ts';

const folder = new URL('histories/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

interface Recorded {
  events: { workflowExecutionStartedEventAttributes?: { workflowId?: string } }[];
}

/** A history under the id that its workflow had: others are named after it. */
function recorded(name: string) {
  const history = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Recorded;
  const { workflowId = name } = history.events[0]?.workflowExecutionStartedEventAttributes ?? {};
  return { name, workflowId, history };
}

describe('migrations that were under way when the workflow code changed', () => {
  it('go on: every committed history replays', async () => {
    const histories = names.map(recorded);
    const broken: string[] = [];
    for await (const { workflowId, error } of Worker.runReplayHistories(workflowCode(), histories)) {
      const name = histories.find((each) => each.workflowId === workflowId)?.name ?? workflowId;
      if (error) broken.push(`${name}: ${error.message}`);
    }
    expect(broken).toEqual([]);
    expect(names.length).toBeGreaterThan(5);
  });
});
