import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import koffi from 'koffi';
import { messageOf } from '../../contracts/errors.ts';
import { isAtLeast } from '../embedded/version.ts';
import { type Examination, failed, ok } from './check.ts';

const oldestLibguestfs = '1.44';

/** Loads libguestfs as a migration does, and asks its version; guestfs(3) guestfs_version. Starts nothing. */
export const libguestfsExamination: Examination = {
  name: 'libguestfs',
  examine() {
    const install = 'Install it: apt-get install libguestfs0 libguestfs-xfs';
    let library: ReturnType<typeof koffi.load>;
    try {
      library = koffi.load('libguestfs.so.0');
    } catch (error) {
      return Promise.resolve(failed(`libguestfs.so.0 cannot be loaded: ${messageOf(error)}`, install));
    }
    const version = libguestfsVersion(library);
    return Promise.resolve(
      isAtLeast(version, oldestLibguestfs)
        ? ok(version)
        : failed(`version ${version}, older than ${oldestLibguestfs}`, 'Install a later libguestfs0.'),
    );
  },
};

function libguestfsVersion(library: ReturnType<typeof koffi.load>): string {
  const handle: unknown = library.func('void *guestfs_create_flags(uint, ...)')(1);
  const version: unknown = library.func('void *guestfs_version(void *)')(handle);
  // struct guestfs_version { int64_t major, minor, release; char *extra; }
  const numbers = koffi.decode(version, koffi.array('int64_t', 3)) as Iterable<number | bigint>;
  const text = [...numbers].map(String).join('.');
  library.func('void guestfs_free_version(void *)')(version);
  library.func('void guestfs_close(void *)')(handle);
  return text;
}

/**
 * The appliance boots a kernel of this host: supermin takes the newest in /boot that it can read and whose
 * modules are there (supermin(1), SUPERMIN_KERNEL).
 */
export function applianceKernelExamination(boot = '/boot', modules = '/lib/modules'): Examination {
  return {
    name: 'appliance kernel',
    async examine() {
      const names = (await readdir(boot).catch(() => [])).filter((name) => name.startsWith('vmlinuz-'));
      if (names.length === 0) {
        return failed(
          `no kernel in ${boot}, which is usual in a container`,
          'Install one: apt-get install linux-image-cloud-amd64',
        );
      }
      const complete = await filterAsync(names, (name) =>
        accessible(join(modules, name.replace('vmlinuz-', ''), 'kernel'), constants.R_OK),
      );
      if (complete.length === 0) {
        return failed(
          `${names.join(', ')} in ${boot} without modules in ${modules}`,
          'Install a kernel package: apt-get install linux-image-cloud-amd64',
        );
      }
      const readable = await filterAsync(complete, (name) => accessible(join(boot, name), constants.R_OK));
      const first = complete[0] ?? '';
      return readable.length > 0
        ? ok(readable.join(', '))
        : failed(
            `${complete.join(', ')} in ${boot} cannot be read by this user`,
            `Run: chmod 0644 ${join(boot, first)} (Ubuntu: dpkg-statoverride --add --update root root 0644 ${join(boot, first)})`,
          );
    },
  };
}

async function accessible(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function filterAsync(names: string[], keep: (name: string) => Promise<boolean>): Promise<string[]> {
  const kept = await Promise.all(names.map(keep));
  return names.filter((_, index) => kept[index]);
}
