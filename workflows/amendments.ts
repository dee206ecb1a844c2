import type { MigrationSpec } from '../contracts/spec.ts';
import type { StepName } from '../contracts/steps.ts';
import type { MigrationState } from './migration-state.ts';

const sections = ['source', 'guest', 'target', 'policy'] as const;

/** The last step that still takes each place of the spec into account; the rest of its section after `*`. */
const lastReader: Readonly<Record<string, StepName | 'end'>> = {
  'target.host': 'placement',
  'target.labels': 'placement',
  'source.*': 'acquire',
  // A disk that is used where it lies is compared as it is copied.
  'source.verify': 'convert',
  // Whether there is a guest to look into is settled before anybody looks: an operator skips the step instead.
  'guest.fix': 'acquire',
  'guest.root': 'inspect',
  'guest.luksKeys': 'inspect',
  'guest.*': 'fix',
  'target.directory': 'convert',
  'target.pool': 'convert',
  'target.format': 'convert',
  'target.compression': 'convert',
  'policy.verifyCopy': 'convert',
  'policy.verifyBoot': 'define',
  'policy.bootTimeoutSeconds': 'verify-boot',
  // A domain that was seen to boot stays what it was then.
  'target.*': 'verify-boot',
  'policy.*': 'end',
};

/** Why an amended spec cannot be taken: a wish that nothing would heed any more is refused, not swallowed. */
export function refusalOfAmendment(state: MigrationState, amended: MigrationSpec): string | undefined {
  const { spec } = state;
  if (differ(amended.name, spec.name) || !isSameSource(amended.source, spec.source)) {
    return 'an amended spec must keep the name and the source; start another migration instead';
  }
  for (const section of sections) {
    const [now, wanted]: Readonly<Record<string, unknown>>[] = [spec[section], amended[section]];
    for (const key of new Set([...Object.keys(now ?? {}), ...Object.keys(wanted ?? {})])) {
      if (!differ(now?.[key], wanted?.[key])) continue;
      const place = `${section}.${key}`;
      const step = lastReaderOf(place, wanted?.[key]);
      if (step !== undefined && step !== 'end' && state.hasEnded(step)) {
        return `${place} cannot be amended any more: the step ${step} has ended; skip the step, or abort and start another migration`;
      }
    }
  }
  return undefined;
}

function lastReaderOf(place: string, wanted: unknown): StepName | 'end' | undefined {
  // What was acquired without its manifest has no digests that it could be compared with.
  if (place === 'source.verify' && wanted === true) return 'acquire';
  return lastReader[place] ?? lastReader[place.replace(/\..*/, '.*')];
}

/** Which VM and which disks of an archive are meant, and how it is to be read, may be answered later. */
function isSameSource(one: MigrationSpec['source'], other: MigrationSpec['source']): boolean {
  if (one.kind !== 'archive' || other.kind !== 'archive') return !differ(one, other);
  return one.path === other.path && one.url === other.url;
}

function differ(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other);
}
