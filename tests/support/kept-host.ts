import { randomUUID } from 'node:crypto';
import { HostDesk, sayHello } from '../../workers/host-desk.ts';
import type { HostFacts } from '../../contracts/hosts.ts';
import { runScriptedHost, type ControlPlane } from './control-plane.ts';
import { scriptedHost, type Script, type ScriptedHost } from './scripted-host.ts';

/** A host that is kept in the host book, with scripted steps. */
export interface KeptHost {
  hostId: string;
  /** Names of the activities in the order they were called. */
  calls: string[];
  desk: HostDesk;
  /** Its worker is there. */
  start(): Promise<void>;
  /** Its worker is gone, as after SIGKILL: it says nothing any more. */
  lose(): Promise<void>;
}

export interface HostWishes {
  labels?: string[];
  script?: Script;
  /** In place of one that is called by chance and follows `script`. */
  named?: { hostId: string; host: ScriptedHost; facts: Partial<HostFacts> };
}

export async function startKeptHost(
  plane: ControlPlane,
  { labels = [], script = {}, named }: HostWishes = {},
): Promise<KeptHost> {
  const hostId = named?.hostId ?? `host-${randomUUID().slice(0, 8)}`;
  const host = named?.host ?? scriptedHost(hostId, script);
  let stop: (() => Promise<void>) | undefined;
  let isLost = false;
  const desk = new HostDesk({
    facts: {
      labels,
      slots: 3,
      version: '0.1.0',
      targetDirectory: '/tmp',
      stateDirectory: '/tmp',
      libvirtUri: 'test:///default',
      memoryBytes: 2 ** 34,
      ...named?.facts,
    },
    load: () => ({ busy: 1, placed: 0, promisedBytes: 0 }),
    isStopping: () => isLost,
  });
  const lose = async () => {
    isLost = true;
    await stop?.();
    stop = undefined;
  };
  const kept: KeptHost = {
    hostId,
    calls: host.calls,
    desk,
    start: async () => {
      isLost = false;
      await sayHello(plane.environment.client, hostId, { graceSeconds: 0.5 });
      stop = await runScriptedHost(plane.environment, hostId, host, { labels, desk: desk.activities });
    },
    lose,
  };
  await kept.start();
  return kept;
}
