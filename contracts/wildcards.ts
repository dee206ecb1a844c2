/**
 * Whether a text fits a pattern in which `*` stands for any text and, where asked, `?` for any one character;
 * without regard to case. Patterns come from others too: this takes at most as many steps as both lengths multiplied.
 */
export function fits(pattern: string, text: string, { anyOne = false } = {}): boolean {
  const wanted = pattern.toLowerCase();
  const given = text.toLowerCase();
  let at = 0;
  let place = 0;
  /** The last star, and where the text behind what it stands for begins. */
  let star: { at: number; place: number } | undefined;
  while (place < given.length) {
    if (wanted[at] === '*') {
      star = { at, place };
      at += 1;
    } else if (wanted[at] === given[place] || (anyOne && wanted[at] === '?')) {
      at += 1;
      place += 1;
    } else if (star) {
      // The star takes one more.
      star.place += 1;
      at = star.at + 1;
      place = star.place;
    } else {
      return false;
    }
  }
  return /^\**$/.test(wanted.slice(at));
}

/** Whether one of the patterns fits, with `*` and `?`; without any all do. */
export function anyFits(patterns: readonly string[] | undefined, text: string): boolean {
  return patterns === undefined || patterns.some((pattern) => fits(pattern, text, { anyOne: true }));
}
