import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { DrainAnswer, HostWord } from '../../contracts/hosts.ts';

/** From a worker of the host that has just begun. */
export const hereSignal = defineSignal('here');
/** Whether the host takes no more VMs. Of a host that is away it takes effect when it is back. */
export const setDrainedUpdate = defineUpdate<DrainAnswer, [boolean]>('set-drained');
/** To the migrations on the host: it is gone, or back. */
export const hostWordSignal = defineSignal<[HostWord]>('host-word');
