import { createHmac } from 'node:crypto';

export interface Account {
  name: string;
  /** Base64, as storage accounts hand out their keys. */
  key: string;
}

const hmac = (account: Account, text: string): string =>
  createHmac('sha256', Buffer.from(account.key, 'base64')).update(text, 'utf8').digest('base64');

/**
 * The Authorization header for a request; "Authorize with Shared Key", version 2015-02-21 and later.
 * `headers` must be all that are sent of those that are signed, their names in lower case.
 */
export function sharedKey(
  account: Account,
  { method, url, headers }: { method: string; url: URL; headers: Readonly<Record<string, string>> },
): string {
  const length = headers['content-length'];
  const standard = [
    headers['content-encoding'],
    headers['content-language'],
    length === '0' ? '' : length,
    headers['content-md5'],
    headers['content-type'],
    headers['date'],
    headers['if-modified-since'],
    headers['if-match'],
    headers['if-none-match'],
    headers['if-unmodified-since'],
    headers['range'],
  ].map((value) => value ?? '');
  const canonicalHeaders = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-ms-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}`);
  const query = [...url.searchParams]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}`);
  const resource = [`/${account.name}${url.pathname}`, ...query];
  const text = [method, ...standard, ...canonicalHeaders, ...resource].join('\n');
  return `SharedKey ${account.name}:${hmac(account, text)}`;
}

/** Version of the SAS that managed disks are exported with. */
const sasVersion = '2018-03-28';

/**
 * The query that gives read access to a blob as far as a stored access policy of its container goes: start,
 * end and permissions stand there and not in the URL, as in the SAS that managed disks are exported with.
 */
export function policySas(account: Account, container: string, blob: string, policyId: string): string {
  const text = [
    '',
    '',
    '',
    `/blob/${account.name}/${container}/${blob}`,
    policyId,
    '',
    '',
    sasVersion,
    '',
    '',
    '',
    '',
    '',
  ];
  const signature = hmac(account, text.join('\n'));
  return `sv=${sasVersion}&sr=b&si=${policyId}&sig=${encodeURIComponent(signature)}`;
}
