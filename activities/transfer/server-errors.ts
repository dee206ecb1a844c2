import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import { isTemporary } from './http-request.ts';

/** What a web server that is asked for a disk can do wrong, said to people. `name` is the disk's, without secrets. */

export const unsupported = (name: string, what: string, remedy?: string): LonghaulError =>
  new LonghaulError('TRANSFER_UNSUPPORTED', {
    found: `${name} ${what}`,
    remedy:
      remedy ??
      'Serve it from a web server that honours ranges and sends a strong ETag (RFC 9110, sections 14 and 8.8.3), or copy it to the host and name its path.',
  });

export const gone = (name: string, statusCode: number): LonghaulError =>
  new LonghaulError('SOURCE_NOT_FOUND', {
    found: `${name} does not exist: its server answers ${statusCode}`,
    remedy: 'Correct the address in the spec, or put the disk there.',
  });

/** An answer that is neither what was asked for nor an explanation. */
export function denied(name: string, statusCode: number): LonghaulError {
  if (isTemporary(statusCode))
    return new LonghaulError('TRANSFER_FAILED', {
      found: `the server of ${name} answers ${statusCode}`,
      remedy: 'See whether it is well and not overloaded, then retry.',
    });
  const login = statusCode === 401 || statusCode === 403;
  return new LonghaulError('TRANSFER_DENIED', {
    found: `the server of ${name} answers ${statusCode}`,
    remedy: login
      ? 'See whether the address, its signature and its user are still good. An address with a signature or a user is given by reference: url: env:NAME, file:/PATH or cred:NAME.'
      : 'See in the log of the server why it refuses, and correct the address.',
  });
}

/** Names of the errors of OpenSSL and Node that say that the other side could not prove who it is. */
const untrusted =
  /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(VERIFY|GET)_|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/;
const noTls = /^(ERR_SSL_|EPROTO)/;
const unknownName = /^(ENOTFOUND|EAI_)/;

/** An answer that did not come, or broke off; errors that say enough pass through. */
export function afterFailure(name: string, error: unknown): unknown {
  if (error instanceof LonghaulError) return error;
  const code = codeOf(error);
  const { remedy, retryable } = adviceFor(code);
  return new LonghaulError(
    'TRANSFER_FAILED',
    { found: `${name} cannot be asked for: ${messageOf(error)}`, remedy, retryable },
    error,
  );
}

function adviceFor(code: string): { remedy: string; retryable: boolean } {
  if (untrusted.test(code))
    return {
      remedy:
        'Give the server a certificate for its name that this host trusts, or start the worker with NODE_EXTRA_CA_CERTS set to the file of its authority.',
      retryable: false,
    };
  if (noTls.test(code))
    return {
      remedy:
        'See whether the server speaks TLS 1.2 or later at that port; http:// is for one that does not.',
      retryable: false,
    };
  if (unknownName.test(code))
    return {
      remedy: 'Correct the name of the server in the address, or see whether this host can look names up.',
      retryable: true,
    };
  return { remedy: 'See whether the server and the network between are well, then retry.', retryable: true };
}

/** The name of an error in a chain of causes. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return 'code' in error && typeof error.code === 'string' ? error.code : codeOf(error.cause);
}
