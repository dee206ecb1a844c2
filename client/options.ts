import picocolors from 'picocolors';
import type { SecretSources } from '../activities/host/secrets.ts';
import type { AzureOptions } from '../activities/sources/azure/clouds.ts';
import type { TemporalOptions } from '../workers/options.ts';

/** The global options of the command line that say where Temporal is. */
export interface ConnectionFlags {
  address?: string;
  namespace?: string;
  profile?: string;
}

export type Paint = ReturnType<typeof picocolors.createColors>;

/**
 * Where Temporal is: command line, then environment (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE,
 * TLS, API key), then the profile in Temporal's configuration file, then the embedded server's address.
 * Throws OPTION_INVALID for a profile or a file that cannot be used.
 */
export async function resolveClientOptions(flags: ConnectionFlags): Promise<TemporalOptions> {
  // Loaded when needed: `--help` has to be quick.
  const { resolveTemporal } = await import('../workers/options.ts');
  return resolveTemporal({ ...flags });
}

/** Where Azure is, and where references to secrets lead: in the environment of whoever types. */
export async function resolveAzureAccess(): Promise<{ azure: AzureOptions; secrets: SecretSources }> {
  const { resolveAzureOptions } = await import('../workers/options.ts');
  const credentialsDirectory = process.env['CREDENTIALS_DIRECTORY'];
  return { azure: resolveAzureOptions(), secrets: { environment: process.env, credentialsDirectory } };
}

/** Colours for a stream: on a terminal only, unless FORCE_COLOR insists; never with NO_COLOR. */
export function paintFor(stream: { isTTY?: boolean }): Paint {
  const forced = process.env['FORCE_COLOR'] !== undefined && process.env['FORCE_COLOR'] !== '0';
  return picocolors.createColors(picocolors.isColorSupported && (stream.isTTY === true || forced));
}
