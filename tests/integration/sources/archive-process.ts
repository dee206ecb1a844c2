import { testIo } from '../../support/io.ts';
import { archiveVm } from '../../support/archive-vm.ts';

/** The acquire step in a process of its own, to be killed. Arguments: path or address of the archive, the state directory. */
const [ARCHIVE = '', stateDir = ''] = process.argv.slice(2);
const source = ARCHIVE.startsWith('http') ? { url: 'env:ARCHIVE' } : { path: ARCHIVE };
await archiveVm(source, { stateDir, environment: { ARCHIVE } }).acquire(testIo().signal);
