import { onTestFinished } from 'vitest';
import { Hosts, type HostView } from '../../../client/hosts.ts';
import { askUntil, type ControlPlane } from '../../support/control-plane.ts';
import { startKeptHost, type HostWishes, type KeptHost } from '../../support/kept-host.ts';

export const hostsOf = ({ environment }: ControlPlane) =>
  new Hosts(
    { client: environment.client, connection: environment.connection, namespace: 'default' },
    (work) => work(),
  );

/** A host of a test, gone when that ends. */
export async function keptHost(plane: ControlPlane, wishes: HostWishes = {}): Promise<KeptHost> {
  const host = await startKeptHost(plane, wishes);
  onTestFinished(() => host.lose());
  return host;
}

/** Waits until the host is as wanted in the book. */
export const untilHost = (
  plane: ControlPlane,
  hostId: string,
  wanted: (view: HostView) => boolean,
): Promise<HostView> => askUntil(() => hostsOf(plane).view(hostId), wanted);
