import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { guestDisks, type GuestName } from '../guests/guests.ts';
import { machineFacts } from '../support/machine-facts.ts';
import { convertWithLonghaul, overlayOn } from './conversion.ts';
import { explanations } from './explained.ts';
import { differences, explain, unreported, type Difference, type Explanation } from './judge.ts';
import { listGuest } from './listing.ts';
import { guestSection, type GuestResult } from './result.ts';
import { withScsiNames } from './scsi-names.ts';
import { v2vSide } from './v2v-side.ts';

/**
 * `npm run test:differential [-- GUEST...] [--fresh]`: converts the same guests with virt-v2v-in-place and with
 * Longhaul and compares the file trees. Fails on a difference that explained.ts does not explain, on a change
 * of ours that no fix reported, and, when all guests were run, on an explanation that explains nothing.
 */
const guests: readonly GuestName[] = ['debian-bios', 'debian-bios-novirtio', 'debian-uefi-lvm'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fresh: { type: 'boolean', default: false } },
});
const unknown = positionals.filter((name) => !guests.some((guest) => guest === name));
if (unknown.length > 0) throw new Error(`no such guest: ${unknown.join(', ')}; ${guests.join(', ')}`);
const wanted = guests.filter((name) => positionals.length === 0 || positionals.includes(name));

const started = performance.now();
const say = (line: string) => {
  const seconds = Math.round((performance.now() - started) / 1000);
  console.error(`differential: ${String(seconds).padStart(5)} s  ${line}`);
};

const facts = await machineFacts(['virt-v2v']);
const results: GuestResult[] = [];
const used = new Set<Explanation>();
const failures: string[] = [];
const fail = (line: string) => {
  failures.push(line);
  console.error(`differential: ${line}`);
};

for (const name of wanted) {
  const scratch = await mkdtemp(join(tmpdir(), 'differential-'));
  try {
    const [original = ''] = await guestDisks(name, 'raw', say);
    const disk = await withScsiNames(name, original, scratch);
    say(`${name}: virt-v2v-in-place`);
    const v2v = await v2vSide(basename(dirname(dirname(original))), disk, scratch, {
      fresh: values.fresh,
      say,
    });
    say(`${name}: Longhaul`);
    const overlay = await overlayOn(disk, join(scratch, 'ours.qcow2'));
    const conversion = await convertWithLonghaul(name, overlay);
    const ours = await listGuest(overlay, 'qcow2');

    const { explained, unexplained } = explain(differences(v2v.before, v2v.after, ours), explanations);
    for (const explanation of explained.keys()) used.add(explanation);
    for (const difference of unexplained) fail(`${name}: not explained: ${shown(difference)}`);
    const reported = conversion.outcomes.flatMap(({ changes }) => changes.map(({ path }) => path));
    for (const path of unreported(v2v.before, ours, reported))
      fail(`${name}: changed without a word: ${path}`);
    results.push({ name, v2v, conversion, explained });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
if (wanted.length === guests.length) {
  for (const { by, path, reason } of explanations.filter((each) => !used.has(each))) {
    fail(`this explanation explains nothing any more: ${by} ${path.source}: ${reason}`);
  }
}

const page = [
  '# virt-v2v-in-place and Longhaul on the same guests',
  '',
  ...Object.entries(facts).map(([fact, value]) => `- ${fact}: ${value}`),
  ...results.flatMap(guestSection),
  '',
].join('\n');
console.log(page);
if (wanted.length === guests.length && failures.length === 0) {
  const directory = join(import.meta.dirname, 'results');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${facts['date'] ?? ''}.md`), page);
}
process.exitCode = failures.length > 0 ? 1 : 0;

function shown({ by, path, before, v2v, ours }: Difference): string {
  const side = (entry: string | undefined) => entry ?? 'absent';
  return `${by} ${path}\n    before: ${side(before)}\n  virt-v2v: ${side(v2v)}\n      ours: ${side(ours)}`;
}
