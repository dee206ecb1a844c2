/** A part of every day, such as 20:00 to 06:00 in Berlin. It may reach over midnight. */
export interface TimeWindow {
  /** `HH:MM`, included. */
  from: string;
  /** `HH:MM`, not included; the same as `from` is the whole day. */
  to: string;
  /** Name in the time zone database, such as `Europe/Berlin`. */
  timeZone: string;
}

const dayMinutes = 24 * 60;
const minuteMs = 60_000;

/** Whether a moment lies in the window. */
export function isOpen(window: TimeWindow, at: Date): boolean {
  const [from, to, now] = [minutesOf(window.from), minutesOf(window.to), minutesAt(window, at)];
  if (from === to) return true;
  return from < to ? now >= from && now < to : now >= from || now < to;
}

/**
 * Milliseconds until the window opens or closes, at least one minute. Where clocks are changed in between it is an hour
 * more or less than that: ask again then.
 */
export function msToEdge(window: TimeWindow, at: Date): number {
  const now = minutesAt(window, at);
  const ahead = [window.from, window.to].map(
    (edge) => (minutesOf(edge) - now + dayMinutes) % dayMinutes || dayMinutes,
  );
  return Math.min(...ahead) * minuteMs - (at.getTime() % minuteMs);
}

/** Whether the time zone is one that is known. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const minutesOf = (time: string): number => {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
};

/** Minutes of the day that the clocks of the window's time zone show. */
function minutesAt({ timeZone }: TimeWindow, at: Date): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
  return minutesOf(parts);
}
