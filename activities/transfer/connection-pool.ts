import { type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';

export interface PoolOptions {
  /** Sockets to one server at most, whoever asks; more requests wait for their turn. */
  connectionsPerOrigin: number;
  /** A server that sends nothing for so long has stalled. */
  stallMs: number;
  proxy: ProxySettings;
}

/** Addresses of HTTP proxies, and who is asked without one: the values of `http_proxy` and so on. */
export interface ProxySettings {
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts and domains, with commas between. */
  none?: string | undefined;
}

/**
 * The connections of a worker: one pool for all disks of all migrations, so that the bound holds for all together
 * and a connection is used again by whoever comes next. The caller closes it.
 */
export function connectionPool({ connectionsPerOrigin, stallMs, proxy }: PoolOptions): Dispatcher {
  const limits = {
    connections: connectionsPerOrigin,
    pipelining: 1,
    // Ranges go over connections side by side. HTTP/2 would put them all into one.
    allowH2: false,
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
  };
  return new EnvHttpProxyAgent({
    ...limits,
    // For plain HTTP through a proxy undici asks for a pool without any limits.
    factory: (origin, options) => new Pool(origin, Object.assign({ ...limits }, options)),
    // undici looks into the environment for what is left out.
    httpProxy: proxy.http ?? '',
    httpsProxy: proxy.https ?? '',
    noProxy: proxy.none ?? '',
  });
}
