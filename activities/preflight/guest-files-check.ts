import { LonghaulError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/values.ts';
import { packageFiles, readPublicKeys, readScript } from '../host/guest-files.ts';
import { blocker } from '../../contracts/findings.ts';
import type { Check } from './check.ts';

/** What the fixes will put into the guest is on this host, and is what it should be. */
export const checkGuestFiles: Check = async ({ spec }) => {
  const { agentPackages = [], firstBoot = [], sshKeys = [] } = spec.guest;
  const findings: Finding[] = [];
  const look = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof LonghaulError)) throw error;
      findings.push(blocker(error.code, error.found, error.remedy));
    }
  };
  for (const path of agentPackages) await look(() => packageFiles([path]));
  for (const path of firstBoot) await look(() => readScript(path));
  for (const { keyFile } of sshKeys) if (keyFile !== undefined) await look(() => readPublicKeys(keyFile));
  return findings;
};
