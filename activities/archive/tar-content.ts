import type { Extent } from '../transfer/extents.ts';
import type { WalkedMember } from './members.ts';
import type { TarInput } from './tar-members.ts';

const zeros = Buffer.alloc(256 * 1024);

/** The first bytes of the member that the input is at, holes included; nothing is consumed. */
export async function headOf(input: TarInput, member: WalkedMember, count: number): Promise<Buffer> {
  const { sizeBytes, dataExtents } = member;
  const head = Buffer.alloc(Math.min(count, sizeBytes));
  const stored = await input.peek(Math.min(count, storedWithin(dataExtents, head.length)));
  let done = 0;
  for (const { offset, length } of dataExtents) {
    if (offset >= head.length || done >= stored.length) break;
    done += stored.copy(head, offset, done, Math.min(done + length, stored.length));
  }
  return head;
}

const storedWithin = (extents: readonly Extent[], bytes: number): number =>
  extents.reduce((sum, { offset, length }) => sum + Math.max(0, Math.min(length, bytes - offset)), 0);

/** Consumes the member that the input is at. Holes come as zeros, of which `onHole` is told before. */
export async function* contentOf(
  input: TarInput,
  { sizeBytes, dataExtents }: WalkedMember,
  onHole: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let at = 0;
  for (const { offset, length } of [...dataExtents, { offset: sizeBytes, length: 0 }]) {
    onHole(offset - at);
    yield* hole(offset - at);
    const end = input.position + length;
    while (input.position < end) yield await input.readSome(end - input.position);
    at = offset + length;
  }
}

function* hole(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= zeros.length)
    yield zeros.subarray(0, Math.min(left, zeros.length));
}
