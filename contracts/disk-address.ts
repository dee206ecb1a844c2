import { z } from 'zod';
import { secretRef } from './spec-atoms.ts';

/** Addresses of disks that lie on a web server; RFC 3986. */

/** Whether a text is meant as an address, and not as a path. */
export const looksLikeAddress = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(text);

/** Whether a text is an address of a web server; nothing is said of secrets in it. */
export const isWebAddress = (text: string): boolean =>
  /^https?:\/\/[^\s\\]+$/i.test(text) && URL.canParse(text);

/** A part of an address with its escapes resolved, where they are well formed. */
export function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Says what is wrong with an address that stands in a spec, and so in workflow history. It may hold nothing that
 * is secret. The address itself is never part of the answer.
 */
function faultOf(text: string): string | undefined {
  if (!isWebAddress(text)) return 'must be an https:// address';
  const { username, password } = new URL(text);
  if (username === '' && password === '' && !/[?#]/.test(text)) return undefined;
  return (
    'has a user, a query or a fragment, which may be secret and would be kept in workflow history; ' +
    'let the worker find the whole address, and write url: env:NAME, file:/PATH or cred:NAME'
  );
}

const checked = (fault: (text: string) => string | undefined): z.core.CheckFn<string> => {
  return ({ value, issues }) => {
    const message = fault(value);
    if (message !== undefined) issues.push({ code: 'custom', input: value, path: [], message });
  };
};

/** An address without secrets, or where the worker finds one that may have some. */
export const diskUrl = z
  .string()
  .check(checked((text) => (secretRef.safeParse(text).success ? undefined : urlFault(text))));

/** A disk as plain text: a path or an address. */
export const diskText = z
  .string()
  .min(2)
  .regex(/^(\/[^\0]*|[a-z][a-z0-9+.-]*:\/\/[^]*)$/i, 'must be an absolute path or an https:// address')
  .check(checked((text) => (looksLikeAddress(text) ? faultOf(text) : undefined)))
  .transform((text): { path: string } | { url: string } =>
    looksLikeAddress(text) ? { url: text } : { path: text },
  );

function urlFault(text: string): string | undefined {
  if (looksLikeAddress(text)) return faultOf(text);
  return 'must be an https:// address, or env:NAME, file:/PATH or cred:NAME where the worker finds one';
}
