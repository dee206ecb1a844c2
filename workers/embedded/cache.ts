import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where downloads are kept: `longhaul` in the XDG cache directory of this user. scripts/setup.sh says the same. */
export function cacheDirectory(env: Environment): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(env['HOME'] ?? homedir(), '.cache'), 'longhaul');
}

/** What pip needs of an environment to get through a proxy or to another index; nothing else is handed on. */
export function downloadEnvironment(env: Environment): Record<string, string> {
  const wanted = /^(HOME|PIP_\w+|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => wanted.test(entry[0]) && !!entry[1]),
  );
}
