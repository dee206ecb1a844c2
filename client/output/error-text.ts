import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import type { Terminal } from '../terminal.ts';
import { jsonText, safe, wrap } from './text.ts';

/** An error as people read it: what was found, what to do, the code to look up. No stack. */
export function errorText(error: unknown, terminal: Pick<Terminal, 'columns' | 'paintNote'>): string {
  const { code, found, remedy } = errorFacts(error);
  const paint = terminal.paintNote;
  const columns = Math.max(60, Math.min(terminal.columns(), 110));
  // Lists of problems keep their own lines; each names a file and a line and must stay whole.
  const [first = '', ...rest] = safe(found).split('\n');
  const lines = [wrap(`error: ${first}`, columns).replace('error:', paint.red('error:')), ...rest];
  lines.push(wrap(safe(remedy), columns, '  '), `  ${paint.dim(`[${code}]`)}`);
  return lines.join('\n');
}

/** The same for programs, one document. */
export function errorJson(error: unknown): string {
  const details = error instanceof LonghaulError ? error.details : {};
  return jsonText({
    error: { ...errorFacts(error), ...(Object.keys(details).length > 0 ? { details } : {}) },
  });
}

function errorFacts(error: unknown): { code: string; found: string; remedy: string } {
  if (error instanceof LonghaulError) return { code: error.code, found: error.found, remedy: error.remedy };
  return {
    code: 'INTERNAL',
    found: messageOf(error),
    remedy:
      'This is a defect of Longhaul: please report it with the output of the same command and --verbose.',
  };
}
