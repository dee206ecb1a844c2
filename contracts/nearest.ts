import { distance } from 'fastest-levenshtein';

/**
 * The candidate that `word` is most likely a slip of, or undefined when none is close: at most a third of
 * its letters (two at least) may differ. Case is ignored; a candidate that begins with the word counts as close.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: { candidate: string; score: number } | undefined;
  for (const candidate of candidates) {
    const other = candidate.toLowerCase();
    const score = wanted.length > 2 && other.startsWith(wanted) ? 1 : distance(wanted, other);
    if (best === undefined || score < best.score) best = { candidate, score };
  }
  if (best === undefined) return undefined;
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  // Two letters apart says nothing of words of two letters.
  return best.score <= limit && best.score < wanted.length ? best.candidate : undefined;
}

/** `; did you mean "X"?` for the end of a sentence about a word that is not known; empty when none is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}
