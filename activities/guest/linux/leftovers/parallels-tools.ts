import { leftoverFix } from './software.ts';

const installer = '/usr/lib/parallels-tools/install';

/** Parallels Tools, which come with an installer of their own only. */
export const parallelsToolsFix = leftoverFix('parallels-tools', 'Remove the tools of Parallels', [
  {
    name: 'Parallels Tools',
    signs: [installer, '/usr/bin/prl{toolsd,cc}', '/etc/init.d/prltoolsd'],
    services: ['prltoolsd', 'prltools_updater', 'prl-x11', 'prlcc'],
    async uninstaller(guest) {
      return (await guest.isFile(installer)) ? { argv: [installer, '-r'] } : undefined;
    },
  },
]);
