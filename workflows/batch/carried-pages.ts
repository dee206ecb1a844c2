import type { BatchCarried, BatchInput, BatchPage, PackedPage } from '../../contracts/batch.ts';

type CarriedOver = NonNullable<BatchInput['carried']>;

/**
 * Pages as a batch carries them over when it continues as new: a dozen bytes for one that waits, so that those of a hundred
 * thousand VMs still make a small message. An older version finds no `pages`, and gives the task back.
 */
export function packed({ pages, ...rest }: BatchCarried): CarriedOver {
  return { ...rest, packedPages: pages.map(packedPage) };
}

/** Also of those that an older version has carried over whole. */
export function unpacked({ pages = [], packedPages = [], ...rest }: CarriedOver): BatchCarried {
  return { ...rest, pages: [...pages, ...packedPages.map(unpackedPage)] };
}

function packedPage({ page, wave, allotted, counts, dataBytes }: BatchPage): PackedPage {
  const { waiting, running, parked, completed, failed, skipped } = counts;
  const rest = [allotted, running, parked, completed, failed, skipped, dataBytes];
  return [page, wave, waiting, ...(rest.every((one) => one === 0) ? [] : rest)];
}

function unpackedPage([page, wave, waiting, ...rest]: PackedPage): BatchPage {
  const [allotted = 0, running = 0, parked = 0, completed = 0, failed = 0, skipped = 0, dataBytes = 0] = rest;
  const counts = { waiting, running, parked, completed, failed, skipped };
  return { page, wave, allotted, counts, dataBytes };
}
