/** Where a disk is fetched from. The address may hold a signature that ends; it is a secret then. */
export interface HttpAccess {
  /** The address to use now; resolves to another one when its end is near. */
  current(signal: AbortSignal): Promise<URL>;
  /** What to ask after the server refused this one, perhaps the same once more; undefined when there is nothing. */
  renewed(refused: URL, signal: AbortSignal): Promise<URL | undefined>;
  /** Told when the server did not refuse this one. */
  worked?(url: URL): void;
}

/** An address that stays as it is. */
export function fixedAccess(url: URL): HttpAccess {
  return { current: () => Promise.resolve(url), renewed: () => Promise.resolve(undefined) };
}

/** The address without what may be secret in it: user, query and fragment; RFC 3986. */
export function publicPart(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
