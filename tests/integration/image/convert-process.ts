import { readFile } from 'node:fs/promises';
import type { StepContext } from '../../../contracts/steps.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import { convertDisk } from '../../../activities/image/convert-disk.ts';
import { testIo } from '../../support/io.ts';

/** The convert step in a process of its own, to be killed. Takes the path of its input as argument. */
interface Input {
  ctx: StepContext;
  disk: AcquiredDisk;
  directory: string;
  stateDir: string;
}

const { ctx, disk, directory, stateDir } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Input;
await convertDisk(ctx, disk, directory, { host: { stateDir }, io: testIo() });
