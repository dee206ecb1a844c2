export interface Account {
  uid: number;
  gid: number;
  home: string;
}

/** An account of passwd(5); undefined when there is none of that name, or its line is none. */
export function accountIn(passwd: string, user: string): Account | undefined {
  const line = passwd.split('\n').find((each) => each.startsWith(`${user}:`));
  const [, , uid = '', gid = '', , home = ''] = line?.split(':') ?? [];
  if (!/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid) || !home.startsWith('/')) return undefined;
  return { uid: Number(uid), gid: Number(gid), home };
}

/** authorized_keys with the keys it lacks at its end; a key counts as there whatever its options and comment. */
export function addKeys(text: string, keys: readonly string[]): string {
  const blobs = new Set(
    text
      .split('\n')
      .filter((line) => !/^\s*#/.test(line))
      .flatMap(blobsOf),
  );
  const added: string[] = [];
  for (const key of keys) {
    const [blob] = blobsOf(key);
    if (blob === undefined || blobs.has(blob)) continue;
    blobs.add(blob);
    added.push(`${key}\n`);
  }
  if (added.length === 0) return text;
  return text + (text === '' || text.endsWith('\n') ? '' : '\n') + added.join('');
}

function blobsOf(line: string): string[] {
  const blob = /(?:^|\s)(?:ssh|ecdsa|sk)-[\w@.-]+ ([A-Za-z0-9+/]{16,}={0,3})(?=\s|$)/.exec(line)?.[1];
  return blob === undefined ? [] : [blob];
}
