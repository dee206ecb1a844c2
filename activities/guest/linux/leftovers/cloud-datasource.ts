import type { Guestfs } from '../../session/guestfs.ts';
import type { Fix, PlannedChange } from '../fix.ts';
import { planOwnFile, planText, readGuestText } from '../guest-text.ts';
import {
  awaitedDatasources,
  datasourceSettings,
  dropIn,
  editIdentifyConfig,
  seedFor,
  type CloudConfig,
} from './cloud-datasource-text.ts';
import { findAny } from './find.ts';

/** Sorts after the names that clouds and distributions use, which all begin with digits. */
const dropInPath = '/etc/cloud/cloud.cfg.d/zz-longhaul-datasource.cfg';
const identifyConfigPath = '/etc/cloud/ds-identify.cfg';
const identifyPrograms = '{/usr,}/lib/cloud-init/ds-identify';
const instanceIdPath = '/var/lib/cloud/data/instance-id';
const seedDir = '/var/lib/cloud/seed/nocloud';
const maxFiles = 100;

/** cloud-init stays, but does not wait minutes at each boot for the metadata server of another cloud. */
export const cloudDatasourceFix: Fix = {
  id: 'cloud-datasource',
  title: 'Keep cloud-init from waiting for the former cloud',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const found = await findAny(guest, [
      '/etc/cloud/cloud.cfg',
      '/etc/cloud/cloud.cfg.d/*.cfg',
      identifyConfigPath,
      identifyPrograms,
    ]);
    if (!found.some((path) => path.startsWith('/etc/cloud/'))) return { changes: [], warnings: [] };
    const warnings: string[] = [];
    const configs = await readConfigs(guest, found, warnings);
    const identify = await readGuestText(guest, identifyConfigPath, warnings);
    const { list, broken } = datasourceSettings(configs);
    for (const path of broken) warnings.push(`${path} could not be understood and was left alone.`);
    const awaited = awaitedDatasources({
      list,
      identifyConfig: identify?.text ?? '',
      hasIdentify: found.some((path) => path.endsWith('/ds-identify')),
    });
    if (awaited.length === 0) return { changes: [], warnings };

    const what = `cloud-init looks for a seed on disk only, and not for ${awaited.join(', ')}.`;
    const changes = [await planOwnFile(guest, dropInPath, dropIn, what)];
    if (identify !== undefined)
      changes.push(planText(identify, editIdentifyConfig(identify.text), 'No datasource is taken unseen.'));
    changes.push(...(await planSeed(guest, warnings)));
    return { changes: changes.filter((change) => change !== undefined), warnings };
  },
};

async function readConfigs(
  guest: Guestfs,
  found: readonly string[],
  warnings: string[],
): Promise<CloudConfig[]> {
  const main = found.filter((path) => path === '/etc/cloud/cloud.cfg');
  const parts = found.filter((path) => path.startsWith('/etc/cloud/cloud.cfg.d/')).sort();
  const configs: CloudConfig[] = [];
  for (const path of [...main, ...parts.slice(0, maxFiles)]) {
    const file = await readGuestText(guest, path, warnings);
    if (file !== undefined) configs.push({ path, text: file.text });
  }
  return configs;
}

/** A seed that somebody made already is theirs. */
async function planSeed(guest: Guestfs, warnings: string[]): Promise<(PlannedChange | undefined)[]> {
  if (await guest.exists(`${seedDir}/meta-data`)) return [];
  const file = await readGuestText(guest, instanceIdPath, warnings);
  const instanceId = file?.text.trim() ?? '';
  if (!/^[\w.:-]{1,128}$/.test(instanceId)) {
    warnings.push(
      'cloud-init has never run in this guest, so its next boot is to it the first of a new machine, with the users it makes then.',
    );
    return [];
  }
  const { metaData, userData } = seedFor(instanceId);
  const what = 'cloud-init knows the machine by the id it had, and sets nothing up anew.';
  return [
    await planOwnFile(guest, `${seedDir}/user-data`, userData, what),
    await planOwnFile(guest, `${seedDir}/meta-data`, metaData, what),
  ];
}
