import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { actions, actionsInGroup, isAllowed } from '../../../../activities/sources/azure/permissions.ts';

const security = readFileSync(new URL('../../../../SECURITY.md', import.meta.url), 'utf8');

describe('the role in SECURITY.md', () => {
  it('has the actions that Longhaul needs, and no other', () => {
    const [, json = ''] = /```json\n(\{\n {2}"Name": "Longhaul".*?)\n```/s.exec(security) ?? [];
    const role = z
      .object({ Actions: z.array(z.string()), NotActions: z.array(z.string()) })
      .parse(JSON.parse(json));
    const needed = [...new Set<string>(Object.values(actions).flat())];
    expect(role.Actions.toSorted()).toEqual(needed.toSorted());
    expect(role.NotActions).toEqual([]);
  });
});

describe('the actions in a resource group', () => {
  it('change the VM only when it is to be stopped', () => {
    const changing = /\/(virtualMachines|restorePoint\w*)\/(?!.*read)/;
    expect(actionsInGroup('refuse').filter((action) => changing.test(action))).toEqual([]);
    expect(actionsInGroup('stop')).toContain('Microsoft.Compute/virtualMachines/powerOff/action');
    expect(actionsInGroup('snapshot')).toContain('Microsoft.Compute/restorePointCollections/write');
  });
});

describe('an action is allowed', () => {
  const action = 'Microsoft.Compute/snapshots/write';
  it.each([
    [
      'by its name in whatever case',
      [{ actions: ['microsoft.compute/SNAPSHOTS/Write'], notActions: [] }],
      true,
    ],
    ['by *', [{ actions: ['*'], notActions: [] }], true],
    ['by a pattern in the middle', [{ actions: ['Microsoft.*/write'], notActions: [] }], true],
    ['not by a pattern of reading', [{ actions: ['*/read'], notActions: [] }], false],
    [
      'not by the beginning of its name',
      [{ actions: ['Microsoft.Compute/snapshots'], notActions: [] }],
      false,
    ],
    [
      'not when the same role takes it away',
      [{ actions: ['*'], notActions: ['Microsoft.Compute/snapshots/*'] }],
      false,
    ],
    [
      'when another role gives what one takes away',
      [
        { actions: ['*'], notActions: [action] },
        { actions: [action], notActions: [] },
      ],
      true,
    ],
    ['not without a role', [], false],
    [
      'not where a dot stands for any letter',
      [{ actions: ['MicrosoftxCompute/snapshots/write'], notActions: [] }],
      false,
    ],
  ])('%s', (_how, roles, allowed) => {
    expect(isAllowed(action, roles)).toBe(allowed);
  });
});
