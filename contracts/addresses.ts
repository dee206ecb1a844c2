import type { ConfiguredAddress, FixOutcome } from './values.ts';

/** The addresses a guest is to come up with after its fixes: for each card what the last fix that knows says. */
export function expectedAddresses(fixes: readonly FixOutcome[]): ConfiguredAddress[] {
  let expected: ConfiguredAddress[] = [];
  for (const { addresses = [] } of fixes) {
    const cards = new Set(addresses.flatMap(({ macs }) => macs));
    expected = [...expected.filter(({ macs }) => !macs.some((mac) => cards.has(mac))), ...addresses];
  }
  return expected;
}
