import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBatchFile, selfContained } from '../../../contracts/batch-file.ts';
import type { LonghaulError } from '../../../contracts/errors.ts';

const parse = (text: string) => parseBatchFile(text, 'night.yaml', '/batches');

function refusal(text: string): LonghaulError {
  try {
    parse(text);
  } catch (error) {
    return error as LonghaulError;
  }
  throw new Error('it was taken');
}

const manual = readFileSync(new URL('../../../docs/fleet.md', import.meta.url), 'utf8');
const examples = [...manual.matchAll(/^```yaml\n(name: [^]*?)^```/gm)].map(([, text = '']) => text);

it('the examples of the manual are batch files', () => {
  expect(examples.map((text) => parse(text).input.name)).toEqual(['night', 'prod', 'exports']);
});

it('what a kind of VM that a directory may have does not take is said when no kind takes it', () => {
  const files = 'name: night\nselect: [{ files: { directory: /exports }, host: kvm1 }]\n';
  const { details } = refusal(`${files}defaults: { source: { whenRunning: snapshot } }\n`);
  expect(JSON.stringify(details)).toContain('whenRunning');
});

const disk = (name: string) => `{ source: { kind: image, disks: [${name}.qcow2] } }`;

describe('a batch file', () => {
  it('puts what all have in common under what each says, and counts paths from its directory', () => {
    const { input, vms } = parse(`
name: night
defaults:
  source: { kind: image, cpus: 4 }
  target: { format: raw, networks: { default: lan } }
  policy: { onFailure: fail }
vms:
  - source: { disks: [web01.qcow2] }
  - source: { disks: [/images/db.qcow2], cpus: 8 }
    name: db01
    target: { networks: { dmz: bridge:br1 } }
`);
    expect(input).toEqual({
      name: 'night',
      atOnce: 10,
      onFailure: { then: 'continue' },
      waves: [{ name: 'all', approval: false }],
    });
    const [[web, db] = []] = vms;
    expect(web?.spec).toMatchObject({
      name: 'web01',
      source: { disks: [{ path: '/batches/web01.qcow2' }], cpus: 4 },
      target: { format: 'raw' },
      policy: { onFailure: 'fail' },
    });
    expect(db?.spec).toMatchObject({
      name: 'db01',
      source: { cpus: 8 },
      target: { networks: { default: 'lan', dmz: 'bridge:br1' } },
    });
    expect(db?.migrationId).toMatch(/^migrate-image-db01-/);
  });

  it('puts VMs into their waves, and by priority where it says so', () => {
    const { vms } = parse(`
name: night
order: priority
waves: [{ name: pilot }, { name: rest, approval: true, window: { from: "20:00", to: "06:00", timeZone: UTC } }]
vms:
  - { source: { kind: image, disks: [a.qcow2] }, wave: rest, priority: 1 }
  - { source: { kind: image, disks: [b.qcow2] }, wave: rest, priority: 5 }
  - { source: { kind: image, disks: [c.qcow2] } }
`);
    expect(vms.map((wave) => wave.map(({ spec }) => spec.name))).toEqual([['c'], ['b', 'a']]);
  });

  it.each<[string, string, string]>([
    [
      'an unknown key',
      'name: n\natonce: 3\nvms: [{}]',
      'night.yaml:2:1: atonce: is not a key of a batch; did you mean "atOnce"?',
    ],
    ['no VMs', 'name: n\nvms: []', 'vms: must name VMs, where there is no select'],
    [
      'a wave that is not there',
      `name: n\nvms:\n  - { source: { kind: image, disks: [a.qcow2] }, wave: nope }`,
      'night.yaml:3:56: vms[0].wave: must be one of all',
    ],
    [
      'a VM twice',
      `name: n\nvms:\n  - ${disk('a')}\n  - ${disk('a')}`,
      'night.yaml:4:5: vms[1]: has the name a, as vms[0] has',
    ],
    [
      'what is wrong in a spec',
      `name: n\nvms:\n  - { source: { kind: image, disks: [a.qcow2] }, target: { format: qcow3 } }`,
      'vms[0].target.format: must be one of qcow2, raw, not "qcow3"; did you mean "qcow2"?',
    ],
    [
      'a time zone that nobody knows',
      `name: n\nwaves: [{ name: w, window: { from: "20:00", to: "06:00", timeZone: Berlin } }]\nvms: [${disk('a')}]`,
      'must be a time zone such as Europe/Berlin or UTC',
    ],
    [
      'a policy that does not say when',
      `name: n\nonFailure: { then: stop-batch }\nvms: [${disk('a')}]`,
      'must say how many: failures, percent or both',
    ],
  ])('with %s is refused where it stands', (_what, text, said) => {
    const error = refusal(text);
    expect(error.code).toBe('BATCH_INVALID');
    expect(error.found).toContain(said);
  });

  it('says once what is wrong in the defaults', () => {
    const error = refusal(
      `name: n\ndefaults: { target: { format: qcow3 } }\nvms:\n  - ${disk('a')}\n  - ${disk('b')}`,
    );
    expect(error.found).toContain('night.yaml:2:31: defaults.target.format');
    expect(error.found).toContain('one problem');
  });

  const subscription = '01234567-89AB-cdef-0123-456789abcdef';
  const azure = (more: string) => `name: n\nselect:\n  - azure: { subscription: ${subscription}${more} }\n`;

  it('may say where VMs are looked up, with what is said of some of them', () => {
    const { input, vms } = parse(
      `${azure(', all: true, tags: [env=prod, migrate], os: linux')}    wave: all\norder: size\n` +
        'overrides: [{ names: ["db*"], priority: 3, target: { cpus: 8 } }]\n',
    );
    expect(vms).toEqual([[]]);
    expect(input.selection).toMatchObject({
      select: [{ azure: { subscription: subscription.toLowerCase(), all: true, os: 'linux' }, wave: 'all' }],
      overrides: [{ names: ['db*'], priority: 3, target: { cpus: 8 } }],
      order: 'size',
    });
  });

  it.each([
    [
      'a whole subscription that was not asked for',
      azure(''),
      'select[0].azure: must have either resourceGroups or all: true',
    ],
    [
      'files without a host',
      'name: n\nselect: [{ files: { directory: /x } }]',
      'select[0]: must have a host',
    ],
    [
      'two sources in one',
      `${azure(', all: true')}    files: { directory: /x }\n    host: a`,
      'select[0]: must have either azure or files',
    ],
    [
      'a key that it does not have',
      azure(', al: true'),
      'select[0].azure.al: is not a key of a batch; did you mean "all"?',
    ],
    [
      'a wave that is not there',
      `${azure(', all: true')}    wave: late`,
      'select[0].wave: must be one of all',
    ],
    [
      'an override in a wave that is not there',
      `${azure(', all: true')}overrides: [{ names: [a], wave: late }]`,
      'overrides[0].wave: must be one of all',
    ],
    [
      'what is no place of a spec in what all have',
      `${azure(', all: true')}defaults: { sorce: {} }`,
      'defaults.sorce: is not a key',
    ],
    [
      'a secret in plain text',
      `${azure(', all: true')}defaults: { source: { login: { tenant: ${subscription}, client: ${subscription}, secret: hunter2 } } }`,
      'defaults.source.login',
    ],
    [
      'what is wrong in an override',
      `${azure(', all: true')}overrides: [{ names: ["db*"], target: { cpus: 0 } }]`,
      'overrides[0].target.cpus: must',
    ],
    [
      'more said than fits',
      `${azure(', all: true')}overrides:\n${'  - { names: [a], name: abcdefghijklmnopabcdefghijklmnop }\n'.repeat(999)}`,
      'has too much',
    ],
  ])('refuses to look up %s', (_what, text, message) => {
    expect(refusal(text).found).toContain(message);
  });

  it('may say of files what only some kinds of them take', () => {
    const text =
      'name: n\nselect: [{ files: { directory: /x }, host: a }]\ndefaults: { source: { verify: false } }';
    expect(parse(text).input.selection?.defaults).toEqual({ source: { verify: false } });
  });

  it('can begin without its file, as long as it is small', () => {
    const file = (count: number) =>
      `name: n\ndefaults: { target: { format: raw } }\nwaves: [{ name: a }, { name: b }]\nvms:\n${Array.from({ length: count }, (_one, index) => `  - { source: { kind: image, disks: [vm${index}.qcow2] }, wave: b, priority: 2 }\n`).join('')}`;
    expect(selfContained(parse(file(2)))).toMatchObject({
      unattended: true,
      selection: {
        select: [],
        listed: [
          {
            name: 'vm0',
            source: { disks: ['/batches/vm0.qcow2'] },
            target: { format: 'raw' },
            wave: 'b',
            priority: 2,
          },
          { name: 'vm1' },
        ],
      },
    });
    expect(selfContained(parse(file(1000)))).toEqual({ tooLarge: expect.any(Number) as number });
  });
});
