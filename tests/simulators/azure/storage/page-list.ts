import { XMLParser } from 'fast-xml-parser';
import type { Change } from './disk-content.ts';

/** Pages of a blob, in order: those with data, and in a diff those that were cleared. */
export interface PageRange extends Change {
  cleared?: boolean;
}

const parser = new XMLParser({ isArray: (name) => name === 'PageRange' });

/** Reads the answer to Get Page Ranges. `End` is there the last byte and not the one after it. */
export function parsePageList(xml: string): PageRange[] {
  const { PageList } = parser.parse(xml) as {
    PageList: '' | { PageRange?: { Start: number; End: number }[] };
  };
  const ranges = PageList === '' ? [] : (PageList.PageRange ?? []);
  return ranges.map(({ Start, End }) => ({ start: Start, end: End + 1 }));
}

export function renderPageList(ranges: readonly PageRange[], marker: string | undefined): string {
  const items = ranges.map(({ start, end, cleared }) => {
    const name = cleared ? 'ClearRange' : 'PageRange';
    return `<${name}><Start>${start}</Start><End>${end - 1}</End></${name}>`;
  });
  const next = marker === undefined ? '<NextMarker />' : `<NextMarker>${marker}</NextMarker>`;
  return `\u{feff}<?xml version="1.0" encoding="utf-8"?><PageList>${items.join('')}${next}</PageList>`;
}

/** Joins ranges that touch or overlap; Azurite lists every write by itself. */
export function joined(ranges: readonly Change[]): Change[] {
  const result: Change[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

/** What changed, told apart into what now has data and what was cleared. */
export function difference(changes: readonly Change[], data: readonly Change[]): PageRange[] {
  const result: PageRange[] = [];
  for (const { start, end } of joined(changes)) {
    let at = start;
    for (const page of data) {
      if (page.end <= at || page.start >= end) continue;
      if (page.start > at) result.push({ start: at, end: page.start, cleared: true });
      result.push({ start: Math.max(at, page.start), end: Math.min(end, page.end) });
      at = Math.min(end, page.end);
    }
    if (at < end) result.push({ start: at, end, cleared: true });
  }
  return result;
}
