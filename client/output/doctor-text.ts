import type { DoctorCheck } from '../../workers/doctor/check.ts';
import type { Paint } from '../options.ts';
import { safeLine, wrap } from './text.ts';

/** A line for each check, its remedy below where there is something to do, and the sum. */
export function doctorText(checks: readonly DoctorCheck[], style: { paint: Paint; columns: number }): string {
  const { paint } = style;
  const room = Math.max(60, Math.min(style.columns, 110));
  const names = Math.max(0, ...checks.map(({ name }) => safeLine(name).length));
  const marks = {
    ok: paint.green('ok     '),
    warning: paint.yellow('warning'),
    failed: paint.red('failed '),
  };
  const lines = checks.flatMap(({ name, status, found, remedy }) => [
    `${marks[status]}  ${safeLine(name).padEnd(names)}  ${safeLine(found)}`,
    ...(remedy === undefined || status === 'ok' ? [] : [wrap(safeLine(remedy), room, ' '.repeat(11))]),
  ]);
  return [...lines, '', verdict(checks, paint)].join('\n');
}

function verdict(checks: readonly DoctorCheck[], paint: Paint): string {
  const count = (status: DoctorCheck['status']) => checks.filter((check) => check.status === status).length;
  const [failed, warnings] = [count('failed'), count('warning')];
  const aside = warnings === 0 ? '' : `, ${warnings === 1 ? 'one warning' : `${warnings} warnings`}`;
  if (failed === 0) return paint.green(`This host can take migrations${aside}.`);
  return paint.red(`${failed === 1 ? 'One thing is' : `${failed} things are`} missing${aside}.`);
}
