import { stat } from 'node:fs/promises';
import { ArchiveBudget } from '../../../activities/archive/limits.ts';
import { listTar } from '../../../activities/archive/tar-index.ts';
import { testIo } from '../../support/io.ts';
import { peakResidentBytes, residentBytes } from '../../support/resident.ts';

/** Looks into a tar in a process of its own; prints how many members it has, and how much the memory grew, in bytes. */
const [, , path = ''] = process.argv;
const { size } = await stat(path);
const idleBytes = residentBytes();
const { members } = await listTar(path, new ArchiveBudget(path, size), testIo().signal);
console.log(`${members.length} ${peakResidentBytes() - idleBytes}`);
