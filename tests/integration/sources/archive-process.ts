import { testIo } from '../../support/io.ts';
import { archiveVm } from '../../support/archive-vm.ts';

/** The acquire step in a process of its own, to be killed. Arguments: the archive, the state directory. */
const [path = '', stateDir = ''] = process.argv.slice(2);
await archiveVm({ path }, { stateDir }).acquire(testIo().signal);
