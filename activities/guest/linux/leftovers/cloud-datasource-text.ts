import { parseDocument } from 'yaml';

/** Where cloud-init can get its data without a metadata server: seeds on disk, hypervisor channels it can test for. */
const local = ['nocloud', 'none', 'configdrive', 'ovf', 'vmware', 'lxd', 'fallback'];

/** One of cloud-init's configuration files. */
export interface CloudConfig {
  path: string;
  text: string;
}

export interface DatasourceSettings {
  /** The list in force, as written; undefined when no file has one. */
  list?: string[];
  /** The file that sets it. */
  path?: string;
  /** A file that could not be understood. */
  broken: string[];
}

/**
 * The datasource_list in force: of all files the one that sorts last wins, cloud-init's `read_conf_with_confd`.
 *
 * @param configs /etc/cloud/cloud.cfg first, then those of cloud.cfg.d by name
 */
export function datasourceSettings(configs: readonly CloudConfig[]): DatasourceSettings {
  const settings: DatasourceSettings = { broken: [] };
  for (const { path, text } of configs) {
    // Most files say nothing of it, and cloud.cfg itself is a Jinja template on some.
    if (!/^[ \t]*datasource_list[ \t]*:/m.test(text)) continue;
    const list = listIn(text);
    if (list === undefined) settings.broken.push(path);
    else Object.assign(settings, { list, path });
  }
  return settings;
}

function listIn(text: string): string[] | undefined {
  try {
    const document = parseDocument(text, { logLevel: 'silent', uniqueKeys: false });
    if (document.errors.length > 0) return undefined;
    const value: unknown = document.toJS({ maxAliasCount: 10 });
    if (typeof value !== 'object' || value === null || !('datasource_list' in value)) return undefined;
    const list = value.datasource_list;
    return Array.isArray(list) ? list.map(nameOf) : undefined;
  } catch {
    return undefined;
  }
}

/** `None` may be written as the word or as YAML's null. */
function nameOf(entry: unknown): string {
  return typeof entry === 'string' ? entry : 'None';
}

export interface DatasourceFacts {
  list: readonly string[] | undefined;
  /** /etc/cloud/ds-identify.cfg; empty when there is none. */
  identifyConfig: string;
  /** The guest has ds-identify, which looks for the datasources of a list before cloud-init waits for them. */
  hasIdentify: boolean;
}

/**
 * The datasources cloud-init would wait for on a host that is none of them; empty when it would not wait.
 * ds-identify takes a list of one datasource (besides None), and one that its own configuration names,
 * without looking; so does a policy that says to go on when nothing is found.
 */
export function awaitedDatasources({ list, identifyConfig, hasIdentify }: DatasourceFacts): string[] {
  const named = settingOf(identifyConfig, 'datasource');
  if (named !== undefined) return remote([named]);
  const candidates = (list ?? []).filter((name) => name.toLowerCase() !== 'none');
  const policy = settingOf(identifyConfig, 'policy') ?? '';
  const filtered = hasIdentify && !/enabled|notfound=enabled/.test(policy);
  return !filtered || candidates.length === 1 ? remote(candidates) : [];
}

function remote(names: readonly string[]): string[] {
  return names.filter((name) => !local.includes(name.toLowerCase()));
}

/** ds-identify.cfg: `key: value` lines. */
function settingOf(text: string, key: string): string | undefined {
  return new RegExp(`^[ \\t]*${key}[ \\t]*:[ \\t]*["']?([\\w,=-]+)`, 'm').exec(text)?.[1];
}

/** ds-identify.cfg without the datasource it names and the policy that skips the search. */
export function editIdentifyConfig(text: string): string {
  return text.replace(/^([ \t]*)((?:datasource|policy)[ \t]*:.*)$/gm, '$1# $2');
}

/**
 * What cloud-init is told instead. Network settings and host keys stay as they are, should it ever take the
 * guest for a new machine.
 */
export const dropIn = `# The metadata server of this system's former cloud does not answer here.
datasource_list: [ NoCloud, None ]
network: {config: disabled}
ssh_deletekeys: false
`;

/**
 * A seed that gives the guest the instance id it has: to cloud-init it is the same machine, and what it does
 * once for each (users, passwords, host keys, hostname) it does not do again.
 */
export function seedFor(instanceId: string): { metaData: string; userData: string } {
  return { metaData: `instance-id: ${JSON.stringify(instanceId)}\n`, userData: '#cloud-config\n{}\n' };
}
