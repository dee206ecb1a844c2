import { hostTools } from '../../activities/preflight/tools.ts';
import { resolveEmbeddedOptions, type WorkerOptions } from '../options.ts';
import type { TemporalBinaryOptions } from '../embedded/temporal-binary.ts';
import { applianceKernelExamination, libguestfsExamination } from './appliance.ts';
import { type DoctorCheck, type Examination, examineSafely } from './check.ts';
import { accelerationExamination, firmwareExamination, spaceExamination, userExamination } from './host.ts';
import { defaultNetworkExamination, libvirtExamination } from './libvirt.ts';
import { temporalBinaryExamination, temporalServerExamination } from './services.ts';
import { toolExamination } from './tools.ts';

const gibibyte = 2 ** 30;

/**
 * Looks at everything a migration needs on this host and changes nothing. Every check stands alone: one that
 * cannot be made is a failed line, not the end of the others. Never rejects.
 */
export function runDoctor(
  options: Pick<
    WorkerOptions,
    'stateDir' | 'defaultTargetDirectory' | 'libvirtUri' | 'acceleration' | 'temporal'
  >,
  embedded: TemporalBinaryOptions = resolveEmbeddedOptions(),
): Promise<DoctorCheck[]> {
  return Promise.all(examinations(options, embedded).map(examineSafely));
}

function examinations(
  options: Parameters<typeof runDoctor>[0],
  embedded: TemporalBinaryOptions,
): Examination[] {
  const { stateDir, defaultTargetDirectory, libvirtUri, temporal } = options;
  return [
    ...hostTools.map(toolExamination),
    libguestfsExamination,
    applianceKernelExamination(),
    firmwareExamination(),
    userExamination,
    accelerationExamination(options),
    spaceExamination('state directory', stateDir, 2 * gibibyte),
    spaceExamination('target directory', defaultTargetDirectory, 10 * gibibyte),
    // The appliance is built here, and its scratch files lie here; guestfs(3) "TMPDIR".
    spaceExamination('/var/tmp', '/var/tmp', 2 * gibibyte),
    libvirtExamination(libvirtUri),
    defaultNetworkExamination(libvirtUri),
    temporalBinaryExamination(embedded),
    temporalServerExamination(temporal),
  ];
}
