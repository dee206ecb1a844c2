/** The seed of this run, printed so that it can be run again: LONGHAUL_SEED. */
export function seedOf(): number {
  const seed = Number(process.env['LONGHAUL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`site: LONGHAUL_SEED=${seed}`);
  return seed;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
