import type { ServiceName } from './request-log.ts';

/** What happens to a request instead of, or after, what it asks for. */
export type FaultEffect =
  /** Answered with this status and nothing done. Its body is an error in the form of the service asked. */
  | {
      kind: 'status';
      status: number;
      code?: string;
      message?: string;
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
    }
  /** Never answered; the connection stays open. */
  | { kind: 'hang' }
  /** The connection is closed with nothing done. */
  | { kind: 'drop' }
  /** Done, and then the connection is closed without an answer: a call that timed out but happened. */
  | { kind: 'drop-after' };

export interface Fault {
  service?: ServiceName;
  method?: string;
  /** Matched against the path without its query. */
  path?: RegExp;
  /** Requests it meets before it is used up; 1 unless given. */
  times?: number;
  effect: FaultEffect;
}

/** Faults that wait for the requests they match, oldest first. */
export class Faults {
  #waiting: { fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#waiting.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The effect for a request, which uses it up once. */
  take(service: ServiceName, method: string, path: string): FaultEffect | undefined {
    const found = this.#waiting.find(
      ({ fault }) =>
        (fault.service ?? service) === service &&
        (fault.method ?? method) === method &&
        (fault.path?.test(path) ?? true),
    );
    if (!found) return undefined;
    found.left -= 1;
    this.#waiting = this.#waiting.filter(({ left }) => left > 0);
    return found.fault.effect;
  }
}
