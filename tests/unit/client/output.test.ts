import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../contracts/errors.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import { mergeProgress, type LiveView } from '../../../client/live-view.ts';
import { errorJson, errorText } from '../../../client/output/error-text.ts';
import { alignColumns, jsonText, safe, wrap } from '../../../client/output/text.ts';
import { viewLine, viewText } from '../../../client/output/view-text.ts';

const paint = picocolors.createColors(false);
const style = { paint, columns: 100, nowMs: Date.parse('2026-11-23T07:02:03Z') };
const copying: LiveView = {
  migrationId: 'migrate-image-web01-1a2b3c4d',
  vm: 'web01',
  status: 'running',
  pausing: false,
  hostId: 'kvm7',
  startedAt: '2026-11-23T07:00:00Z',
  answeredBy: 'worker',
  retries: [],
  doing: 'copying',
  steps: [
    {
      name: 'acquire',
      state: {
        status: 'done',
        startedAt: '2026-11-23T07:00:00Z',
        endedAt: '2026-11-23T07:00:01Z',
        note: 'one disk',
      },
    },
    { name: 'convert', state: { status: 'running', startedAt: '2026-11-23T07:01:29Z' } },
    { name: 'define', state: { status: 'pending' } },
  ],
  disks: [
    { index: 0, doneBytes: 2 ** 30, totalBytes: 4 * 2 ** 30, rateBytesPerSecond: 2 ** 27, etaSeconds: 24 },
    { index: 1, doneBytes: 0, totalBytes: 0, rateBytesPerSecond: 0 },
  ],
  spec: migrationSpec.parse({ name: 'web01', source: { kind: 'image', disks: ['/web01.img'] } }),
};

describe('a migration on the screen', () => {
  it('is a line for all, a line a step, and a bar with rate and time left for each disk', () => {
    expect(viewText(copying, style)).toBe(`web01  running on kvm7, 2 min 3 s  migrate-image-web01-1a2b3c4d
  ✓  acquire  1 s   one disk
  ▶  convert  34 s  copying
      disk 1  ██████░░░░░░░░░░░░░░░░░░░░   25 %  1 GiB of 4 GiB  128 MiB/s  24 s left
      disk 2  ██████████████████████████  100 %  0 B of 0 B
  ·  define`);
  });

  it('fits a terminal of 80 columns', () => {
    const widest = viewText(copying, { ...style, columns: 80 })
      .split('\n')
      .map((line) => line.length);
    expect(Math.max(...widest)).toBeLessThanOrEqual(80);
  });

  it('tells how to answer when it is parked, with the failure and its remedy', () => {
    const failure = {
      code: 'GUEST_LOCKED',
      message: 'm',
      found: 'sda2 is encrypted',
      remedy: 'Name a key.',
    } as const;
    const text = viewText({ ...copying, status: 'parked', steps: [], disks: [], failure }, style);
    expect(text).toContain('GUEST_LOCKED\n  sda2 is encrypted\n  Name a key.');
    for (const word of ['retry', 'skip', 'abort'])
      expect(text).toContain(`longhaul ${word} ${copying.migrationId}`);
  });

  it('shows what Temporal tries again, when, and why', () => {
    const retries = [{ what: 'acquire', attempt: 3, found: 'read error', nextAt: '2026-11-23T07:02:11Z' }];
    expect(viewText({ ...copying, retries }, style)).toContain(
      'acquire failed and is tried again in 8 s (attempt 3): read error',
    );
  });

  it('says that it waits for a host that is gone, since when, and how to go on without it', () => {
    const waiting = {
      ...copying,
      doing: undefined,
      disks: [],
      waitsForHost: { since: '2026-11-23T06:58:10Z' },
    };
    expect(viewText(waiting, style))
      .toBe(`web01  waits for kvm7, gone since 2026-11-23 06:58Z, 2 min 3 s  migrate-image-web01-1a2b3c4d
  ✓  acquire  1 s   one disk
  ▶  convert  34 s
  ·  define

  It goes on when a worker of that host is back. To begin it again elsewhere:
    longhaul reassign migrate-image-web01-1a2b3c4d`);
    expect(viewLine(waiting)).toBe('web01: waits for kvm7, gone since 2026-11-23 06:58Z, convert');
    expect(viewLine({ ...waiting, waitsForHost: {} })).toContain('waits for kvm7, which has no worker');
  });

  it('says that no worker answered instead of passing old news for fresh', () => {
    expect(viewText({ ...copying, answeredBy: 'server' }, style)).toContain('No worker answers');
  });

  it('in one line names step, disks and rate', () => {
    expect(viewLine(copying)).toBe(
      'web01: running, convert, copying, disk 1 25 % of 4 GiB at 128 MiB/s, disk 2 100 % of 0 B',
    );
  });

  it('lets no control character of a guest through', () => {
    expect(viewText({ ...copying, doing: 'a\u001b[2Jb\u009bc\u202e' }, style)).not.toMatch(/[^\P{C}\n]/u);
  });
});

describe("heartbeats on top of the workflow's view", () => {
  it('win disk by disk for the step that runs', () => {
    const fresh = { index: 0, doneBytes: 5, totalBytes: 10, rateBytesPerSecond: 1 };
    const merged = mergeProgress(copying, [{ step: 'convert', doing: 'writing', disk: fresh }]);
    expect(merged.disks).toEqual([fresh, copying.disks[1]]);
    expect(merged.doing).toBe('writing');
  });

  it('of a step that is over are dropped', () => {
    expect(mergeProgress(copying, [{ step: 'acquire', doing: 'reading' }])).toEqual(copying);
  });
});

describe('an error', () => {
  const terminal = { columns: () => 80, paintNote: paint };
  const error = new LonghaulError('SPEC_INVALID', {
    found: 'vm.yaml has one problem.\n  vm.yaml:1:1: \u001b[31mbad',
    remedy: 'Correct it.',
    details: { line: 1 },
  });

  it('is what was found, what to do, and the code, without a stack', () => {
    expect(errorText(error, terminal)).toBe(
      'error: vm.yaml has one problem.\n  vm.yaml:1:1: ?[31mbad\n  Correct it.\n  [SPEC_INVALID]',
    );
  });

  it('that nobody expected is called a defect and asks for a report', () => {
    expect(errorText(new TypeError('x is not a function'), terminal)).toMatch(
      /x is not a function[^]*report[^]*\[INTERNAL\]$/,
    );
  });

  it('is one JSON document for programs', () => {
    expect(JSON.parse(errorJson(error))).toEqual({
      error: { code: 'SPEC_INVALID', found: error.found, remedy: 'Correct it.', details: { line: 1 } },
    });
  });
});

describe('text for a terminal', () => {
  it('keeps letters of every script and newlines', () => {
    expect(safe('Zürich 東京\nx')).toBe('Zürich 東京\nx');
  });

  it('aligns columns by what is seen, not by colour codes', () => {
    const green = picocolors.createColors(true).green('ab');
    expect(
      alignColumns([
        [green, 'x'],
        ['abcd', 'y'],
      ]).split('\n')[0],
    ).toBe(`${green}    x`);
  });

  it('wraps at blanks and keeps the indent', () => {
    expect(wrap('one two three four five six seven', 24, '  ')).toBe(
      '  one two three four\n  five six seven',
    );
  });

  it('as JSON escapes the control characters JSON leaves alone', () => {
    expect(jsonText('\u009b\u2028')).toBe('"\\u009b\\u2028"');
  });
});
