import { verify, X509Certificate } from 'node:crypto';
import { messageOf } from '../../../../contracts/errors.ts';
import type { Finding } from '../../../../contracts/values.ts';
import { info, warning } from '../../../../contracts/findings.ts';

/** Whose signature stands over a manifest. It is said, and never trusted: nobody was asked who they are. */

export const maxCertificateBytes = 256 * 1024;

/**
 * Looks at a certificate file (DSP0243, 6.4): a signature over the manifest, and the signer's certificate in PEM.
 *
 * @param file its name
 */
export function certificateFinding(file: string, certificate: string, manifest: Buffer | undefined): Finding {
  try {
    const [, bits, hex = ''] = /^\s*SHA-?(1|256|512)\s*\(.+\)\s*=\s*([\da-f]+)\s*$/im.exec(certificate) ?? [];
    const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(certificate)?.[0];
    if (bits === undefined || pem === undefined)
      return unreadable(file, 'it has no signature and certificate');
    const { publicKey, subject } = new X509Certificate(pem);
    const signer = subject.replaceAll('\n', ', ');
    const holds =
      manifest !== undefined && verify(`sha${bits}`, manifest, publicKey, Buffer.from(hex, 'hex'));
    return holds
      ? info(
          'signed-manifest',
          `the manifest is signed with the certificate of ${signer} (${file})`,
          'The signature is right; whether that signer is to be trusted was not asked.',
        )
      : warning(
          'wrong-signature',
          `${file} with the certificate of ${signer} does not sign this manifest`,
          'The manifest is not the one that was signed. Ask where the archive comes from.',
        );
  } catch (error) {
    return unreadable(file, messageOf(error));
  }
}

const unreadable = (file: string, why: string): Finding =>
  info('unread-certificate', `the certificate ${file} cannot be read: ${why}`, 'Nothing depends on it.');
