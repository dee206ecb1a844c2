import { z } from 'zod';

/** Values that the spec has in more than one place. */

/** A name libvirt accepts for a domain and that is safe as a file name: no slash, no leading dot or dash. */
export const vmName = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._+-]*$/,
    'letters, digits and . _ + - only, starting with a letter or digit',
  );

export const absolutePath = z
  .string()
  .min(2)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

export const macAddress = z
  .string()
  .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, 'must look like 52:54:00:12:34:56')
  .transform((mac) => mac.toLowerCase());

/** Where a secret is found, never the secret: an environment variable, a file, or a systemd credential. */
export const secretRef = z
  .string()
  .regex(
    /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+|cred:[A-Za-z0-9._-]+)$/,
    'must be env:NAME, file:/PATH or cred:NAME',
  )
  .brand<'SecretRef'>();
