import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** PEM of the authority that signed the servers' certificate. */
  caPath: string;
  certPath: string;
  keyPath: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
  /** PEM with key and certificate of the service principal, for ClientCertificateCredential. */
  clientCertificatePath: string;
}

const days = '2';
const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', days];

/** An authority, a certificate of it for this host's loopback addresses, and one to log in with. */
export function makeCertificates(directory: string): Certificates {
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', ['req', '-x509', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });

  openssl(...elliptic, '-subj', '/CN=Azure simulator CA', '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl(
    ...elliptic,
    ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-subj', '/CN=localhost'],
    ...[
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    ],
    ...['-keyout', at('server.key'), '-out', at('server.pem')],
  );
  const client = at('client.pem');
  openssl(
    ...['-newkey', 'rsa:2048', '-nodes', '-days', days, '-subj', '/CN=longhaul'],
    '-keyout',
    client,
    '-out',
    client,
  );
  return {
    caPath: at('ca.pem'),
    certPath: at('server.pem'),
    keyPath: at('server.key'),
    ca: readFileSync(at('ca.pem')),
    cert: readFileSync(at('server.pem')),
    key: readFileSync(at('server.key')),
    clientCertificatePath: client,
  };
}
