/** Words that OVF 1.0 and the tools of its time write; all count in powers of two. */
const words: Readonly<Record<string, number>> = {
  byte: 1,
  bytes: 1,
  kb: 2 ** 10,
  kib: 2 ** 10,
  kilobytes: 2 ** 10,
  mb: 2 ** 20,
  mib: 2 ** 20,
  megabytes: 2 ** 20,
  gb: 2 ** 30,
  gib: 2 ** 30,
  gigabytes: 2 ** 30,
  tb: 2 ** 40,
  tib: 2 ** 40,
  terabytes: 2 ** 40,
};

/**
 * Bytes in one of a unit: a programmatic unit as in DSP0004, annex C (`byte * 2^20`, `byte * 1024`), or a word
 * (`MegaBytes`). Undefined for what is none of bytes.
 */
export function bytesPerUnit(unit: string): number | undefined {
  const plain = unit.trim().toLowerCase();
  if (Object.hasOwn(words, plain)) return words[plain];
  const [, base, exponent = '1'] = /^bytes?\s*\*\s*(\d{1,10})\s*(?:\^\s*(\d{1,2}))?$/.exec(plain) ?? [];
  return base === undefined ? undefined : Number(base) ** Number(exponent);
}

/** A quantity of a unit in bytes; undefined when either is not what it should be, or more than any machine has. */
export function quantityInBytes(quantity: string, unit: string): number | undefined {
  if (!/^\d{1,20}$/.test(quantity.trim())) return undefined;
  const bytes = Number(quantity) * (bytesPerUnit(unit) ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
