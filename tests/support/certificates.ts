import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ServerCertificates {
  /** PEM of the authority that signed the servers' certificate. */
  caPath: string;
  certPath: string;
  keyPath: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

export const certificateDays = '2';
const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', certificateDays];

/** Makes a certificate that is signed by its own key, or by that of an authority; openssl-req(1). */
export function opensslRequest(...args: string[]): void {
  execFileSync('openssl', ['req', '-x509', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** An authority of a test's own, and a certificate of it for this host's loopback addresses. */
export function serverCertificates(directory: string): ServerCertificates {
  const at = (name: string) => join(directory, name);
  const name = ['-subj', '/CN=Authority of a test'];
  opensslRequest(...elliptic, ...name, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  opensslRequest(
    ...elliptic,
    ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', at('server.key'), '-out', at('server.pem')],
  );
  return {
    caPath: at('ca.pem'),
    certPath: at('server.pem'),
    keyPath: at('server.key'),
    ca: readFileSync(at('ca.pem')),
    cert: readFileSync(at('server.pem')),
    key: readFileSync(at('server.key')),
  };
}
