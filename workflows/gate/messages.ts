import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { GateBook, GateCall, GateWord } from '../../contracts/gates.ts';

/** From a migration to a gate. The same call again changes nothing. */
export const gateCallSignal = defineSignal<[GateCall]>('call');
export const gateQuery = defineQuery<GateBook>('gate');
/** Takes effect at once; what is held beyond it is held to its end. */
export const setLimitUpdate = defineUpdate<null, [number]>('set-limit');
/** Bytes a second that all those within may fetch together; null: as fast as it goes. They hear of it within half a minute. */
export const setBudgetUpdate = defineUpdate<null, [number | null]>('set-budget');
/** From a gate to a migration. */
export const gateWordSignal = defineSignal<[GateWord]>('gate-word');
