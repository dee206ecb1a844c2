import { testIo } from '../../support/io.ts';
import { webVm } from '../../support/web-vm.ts';

/** The acquire step in a process of its own, to be killed. Arguments: the address, the state directory. */
const [DISK = '', stateDir = ''] = process.argv.slice(2);
await webVm([{ url: 'env:DISK' }], { environment: { DISK }, stateDir }).acquire(testIo().signal);
