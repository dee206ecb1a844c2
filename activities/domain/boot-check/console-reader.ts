import { judgeLine, judgePrompt, type Verdict } from './signs.ts';

const keptLines = 200;
/** A guest that never ends its line costs no more than this. */
const maxLineLength = 4096;

const escape = '\u001b';
/** Cursor positions and screen clears start something new on the screen: to a reader they end the line. */
const moves = new RegExp(`${escape}(\\[[0-9;]*[HfJ]|c)`, 'g');
/** Other control functions of ECMA-48: sequences, strings, single escapes. */
const controlFunctions = new RegExp(
  `${escape}(\\[[0-?]*[ -/]*[@-~]|\\][^\\u0007${escape}]*(\\u0007|${escape}\\\\)|[ -/]*[0-~])`,
  'g',
);

/** Makes lines of what a guest writes to its serial port, and judges them. Bounded, whatever the guest writes. */
export class ConsoleReader {
  readonly #decoder = new TextDecoder();
  #lines: string[] = [];
  /** The unfinished line, as it came. */
  #open = '';
  #verdict: Verdict | undefined;

  /** Takes the next bytes. A verdict once found stands; a dead guest's overrules an earlier sign of life. */
  feed(bytes: Uint8Array): void {
    this.#open += this.#decoder.decode(bytes, { stream: true });
    const parts = this.#open.replace(moves, '\n').split(/\r\n|\n|\r/);
    // A carriage return may be the first half of a line end, and an escape sequence may be half here.
    this.#open = (parts.pop() ?? '').slice(-maxLineLength);
    for (const part of parts) {
      const line = plain(part).slice(0, maxLineLength);
      if (line.trim() === '') continue;
      this.#lines.push(line.trimEnd());
      this.#note(judgeLine(line));
    }
    this.#lines = this.#lines.slice(-keptLines);
  }

  /** What is known so far. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /** To be called when nothing was fed for a while: looks at the unfinished line too. */
  settle(): void {
    this.#note(judgePrompt(plain(this.#open)));
  }

  /** The last lines, for people; the unfinished one included. */
  tail(count: number): string[] {
    const open = plain(this.#open).trim();
    return (open === '' ? this.#lines : [...this.#lines, open]).slice(-count);
  }

  #note(verdict: Verdict | undefined): void {
    if (verdict?.kind === 'dead' && this.#verdict?.kind === 'dead') return;
    if (verdict?.kind === 'dead') this.#verdict = verdict;
    this.#verdict ??= verdict;
  }
}

/** Without control functions and control characters. */
function plain(text: string): string {
  return text.replace(controlFunctions, '').replace(/\p{Cc}/gu, (char) => (char === '\t' ? ' ' : ''));
}
