import { isMap, isPair, isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml';
import type { ErrorCode } from './error-codes.ts';
import { LonghaulError, messageOf } from './errors.ts';
import { placeName, type SpecProblem } from './spec-problems.ts';

/** What a file is for, for the errors about it. */
export interface FileKind {
  code: ErrorCode;
  /** "a spec" */
  what: string;
  maxLength: number;
  /** What it holds, for a second document: "a spec file holds one VM, so put this one in a file of its own". */
  oneOnly: string;
  remedy: (fileName: string) => string;
}

/** An alias may be used this often before the file counts as an attempt to exhaust memory. */
const maxAliases = 100;

interface Located {
  line: number;
  column: number;
  message: string;
}

/** A file in YAML 1.2 or JSON that a person wrote; knows where in it each value stands. */
export class YamlFile {
  readonly value: unknown;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  readonly #fileName: string;
  readonly #kind: FileKind;

  /** @throws LonghaulError of the kind's code when it is too long, malformed, empty, or more than one document */
  constructor(text: string, fileName: string, kind: FileKind) {
    this.#fileName = fileName;
    this.#kind = kind;
    this.#document = this.#parse(text);
    this.value = this.#valueOf(this.#document);
  }

  /** The error that lists every problem with its place as `fileName:line:column`; `details.problems` holds them (from 1). */
  refusal(problems: readonly SpecProblem[]): LonghaulError {
    return this.#invalid(
      problems.map((problem) => ({
        ...this.#position(offsetOf(problem, this.#document)),
        message: `${placeName(problem.path)}: ${problem.message}`,
      })),
    );
  }

  #parse(text: string): Document {
    const { maxLength } = this.#kind;
    if (text.length > maxLength)
      throw this.#invalid([
        {
          line: 1,
          column: 1,
          message: `the file has more than ${maxLength} characters; ${this.#kind.what} has at most that`,
        },
      ]);
    const documents = parseAllDocuments(text, {
      lineCounter: this.#lines,
      uniqueKeys: true,
      prettyErrors: false,
      logLevel: 'silent',
    });
    const [document, second] = 'empty' in documents ? [] : documents;
    if (document === undefined) throw this.#invalid([{ line: 1, column: 1, message: 'the file is empty' }]);
    const faults = [document, second].flatMap((each) => (each ? [...each.errors, ...each.warnings] : []));
    if (faults.length > 0)
      throw this.#invalid(
        faults.map((fault) => ({ ...this.#position(fault.pos[0]), message: oneLine(fault.message) })),
      );
    if (second !== undefined)
      throw this.#invalid([
        {
          ...this.#position(second.range[0]),
          message: `a second document begins here; ${this.#kind.oneOnly}`,
        },
      ]);
    return document;
  }

  #valueOf(document: Document): unknown {
    try {
      return document.toJS({ maxAliasCount: maxAliases });
    } catch (error) {
      throw this.#invalid([{ line: 1, column: 1, message: messageOf(error) }], error);
    }
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #invalid(problems: Located[], cause?: unknown): LonghaulError {
    const fileName = this.#fileName;
    const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const count = sorted.length === 1 ? 'one problem' : `${sorted.length} problems`;
    const list = sorted.map(({ line, column, message }) => `\n  ${fileName}:${line}:${column}: ${message}`);
    return new LonghaulError(
      this.#kind.code,
      {
        found: `${fileName} has ${count}.${list.join('')}`,
        remedy: this.#kind.remedy(fileName),
        details: { fileName, problems: sorted },
      },
      cause,
    );
  }
}

/** Where the problem's key or value begins; for what is missing, the nearest parent that is there. */
function offsetOf(problem: SpecProblem, document: Document): number {
  if (problem.atKey) {
    const parent: unknown = document.getIn(problem.path.slice(0, -1), true) ?? document.contents;
    const key = String(problem.path.at(-1));
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    if (pair !== undefined) return startOf(pair.key) ?? 0;
  }
  for (let depth = problem.path.length; depth > 0; depth -= 1) {
    const start = startOf(document.getIn(problem.path.slice(0, depth), true));
    if (start !== undefined) return start;
  }
  return startOf(document.contents) ?? 0;
}

function startOf(node: unknown): number | undefined {
  const range: unknown =
    typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) ? Number(range[0]) : undefined;
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim();
