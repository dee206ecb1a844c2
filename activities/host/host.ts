import type { Accelerator } from '../../contracts/values.ts';

/** What activities know of the machine they run on. Resolved once, by workers/options.ts. */
export interface Host {
  hostId: string;
  /** Absolute; work files, host id, reports. */
  stateDir: string;
  /** For example `qemu:///system`. */
  libvirtUri: string;
  /** Where disks go when a spec names neither directory nor pool. */
  defaultTargetDirectory: string;
  /** What `auto` means here: probed once, remembered. */
  accelerator(): Promise<Accelerator>;
}
