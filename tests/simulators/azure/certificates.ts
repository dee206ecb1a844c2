import { join } from 'node:path';
import {
  certificateDays,
  opensslRequest,
  serverCertificates,
  type ServerCertificates,
} from '../../support/certificates.ts';

export interface Certificates extends ServerCertificates {
  /** PEM with key and certificate of the service principal, for ClientCertificateCredential. */
  clientCertificatePath: string;
}

/** An authority, a certificate of it for this host's loopback addresses, and one to log in with. */
export function makeCertificates(directory: string): Certificates {
  const servers = serverCertificates(directory);
  const client = join(directory, 'client.pem');
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', certificateDays, '-subj', '/CN=longhaul'];
  opensslRequest(...key, '-keyout', client, '-out', client);
  return { ...servers, clientCertificatePath: client };
}
