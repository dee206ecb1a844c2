import { defineQuery, defineUpdate } from '@temporalio/workflow';

/** All marks of a volume, one behind the other. */
export const ledgerQuery = defineQuery<string>('ledger');
/** Adds marks, one behind the other. Answers how many of them stand in the volume now: those behind have no room. */
export const rememberUpdate = defineUpdate<number, [string]>('remember');
