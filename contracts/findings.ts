import type { ErrorCode } from './error-codes.ts';
import type { Finding } from './values.ts';

/** Stops the migration before anything is created. */
export function blocker(code: ErrorCode, found: string, remedy: string): Finding {
  return { severity: 'blocker', code, found, remedy };
}

/** @param code short, kebab-case */
export function warning(code: string, found: string, remedy: string): Finding {
  return { severity: 'warning', code, found, remedy };
}

/** @param code short, kebab-case */
export function info(code: string, found: string, remedy: string): Finding {
  return { severity: 'info', code, found, remedy };
}
