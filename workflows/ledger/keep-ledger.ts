import { continueAsNew, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { type LedgerInput, marksIn, marksPerVolume } from '../../contracts/ledger.ts';
import { Changes, isLong } from '../changes.ts';
import { ledgerQuery, rememberUpdate } from './messages.ts';

const defaultHistoryEvents = 2000;

/** A volume of marks of VMs that were migrated, for as long as the server stands. */
export async function keepLedger({ volume, marks = '', tuning = {} }: LedgerInput): Promise<void> {
  const { volumeMarks = marksPerVolume, historyEvents = defaultHistoryEvents } = tuning;
  const known = new Set(marksIn(marks));
  const changes = new Changes();
  setHandler(ledgerQuery, () => [...known].join(''));
  setHandler(rememberUpdate, (text) => {
    let stand = 0;
    for (const mark of marksIn(text)) {
      if (known.size >= volumeMarks && !known.has(mark)) break;
      known.add(mark);
      stand += 1;
    }
    changes.note();
    return stand;
  });
  for (;;) {
    const { seen } = changes;
    setCurrentDetails(details(volume, known.size));
    await changes.untilAfter(seen);
    if (isLong(historyEvents))
      await continueAsNew<typeof keepLedger>({ volume, marks: [...known].join(''), tuning });
  }
}

/** The Markdown that the Temporal UI shows as its current details. */
const details = (volume: number, marks: number): string =>
  [
    `**VMs that were migrated**, volume ${volume}: ${marks}`,
    'Batches that look for their VMs leave these out, also when their migrations are listed no more. Let it run.',
  ].join('\n\n');
