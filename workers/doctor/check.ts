import { LonghaulError, messageOf } from '../../contracts/errors.ts';

/** One line of `longhaul doctor`. */
export interface DoctorCheck {
  name: string;
  /** `warning`: migrations work, but slower or not all of them. */
  status: 'ok' | 'warning' | 'failed';
  /** What is there: a version, a number, the error. */
  found: string;
  /** What to do about it; absent when there is nothing to do. */
  remedy?: string;
}

export type Finding = Omit<DoctorCheck, 'name'>;

/** One thing to look at. Independent of all others; may throw, which is a failed line. */
export interface Examination {
  name: string;
  readonly examine: () => Promise<Finding>;
}

/** Makes one examination; whatever it throws becomes a failed line, so that the others are still made. */
export async function examineSafely({ name, examine }: Examination): Promise<DoctorCheck> {
  try {
    return { name, ...(await examine()) };
  } catch (error) {
    if (error instanceof LonghaulError) {
      return { name, status: 'failed', found: error.message, remedy: error.remedy };
    }
    return {
      name,
      status: 'failed',
      found: messageOf(error),
      remedy: 'Report this as a defect of Longhaul.',
    };
  }
}

export const ok = (found: string): Finding => ({ status: 'ok', found });
export const warning = (found: string, remedy: string): Finding => ({ status: 'warning', found, remedy });
export const failed = (found: string, remedy: string): Finding => ({ status: 'failed', found, remedy });
