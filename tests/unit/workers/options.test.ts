import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveWorkerOptions } from '../../../workers/options.ts';

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'longhaul-options-'));
});
afterEach(() => rmSync(stateDir, { recursive: true }));

const resolve = (env: Record<string, string> = {}) =>
  resolveWorkerOptions({}, { LONGHAUL_STATE_DIR: stateDir, HOME: stateDir, ...env });

describe('worker options', () => {
  it('keep the host id in the state directory, so that it survives restarts', () => {
    const first = resolve().hostId;
    expect(first).toMatch(/^[a-z0-9-]+-[0-9a-f]{6}$/);
    expect(resolve().hostId).toBe(first);
    expect(readFileSync(join(stateDir, 'host-id'), 'utf8').trim()).toBe(first);
    expect(statSync(join(stateDir, 'host-id')).mode & 0o777).toBe(0o600);
  });

  it('take labels, and an id, that can stand in the names of queues', () => {
    expect(resolve({ LONGHAUL_LABELS: 'zone=a, ssd ssd' }).labels).toEqual(['ssd', 'zone=a']);
    expect(resolve().labels).toEqual([]);
    expect(() => resolve({ LONGHAUL_LABELS: 'ssd Zone' })).toThrow('"Zone" is not a label');
    expect(() => resolve({ LONGHAUL_LABELS: 'a b c d e f g h i' })).toThrow('a host has 9 labels');
    expect(() => resolve({ LONGHAUL_HOST_ID: "kvm'1" })).toThrow('"kvm\'1" is not the id of a host');
  });

  it('point at the embedded server when nothing is said', () => {
    expect(resolve().temporal).toMatchObject({ address: '127.0.0.1:7233', namespace: 'default' });
  });

  it("follow Temporal's environment configuration", () => {
    const { temporal } = resolve({
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'fleet',
      TEMPORAL_API_KEY: 'k',
    });
    expect(temporal).toMatchObject({ address: 'temporal.example:7233', namespace: 'fleet' });
    expect(temporal.connection.apiKey).toBe('k');
  });

  it('refuse an IP address where a certificate is to be checked, unless they say for which name', () => {
    const byAddress = { TEMPORAL_ADDRESS: '10.0.0.5:7233', TEMPORAL_TLS_SERVER_CA_CERT_DATA: 'pem' };
    expect(() => resolve(byAddress)).toThrow('10.0.0.5:7233 names no server');
    expect(() => resolve({ ...byAddress, TEMPORAL_ADDRESS: '[fd00::5]:7233' })).toThrow('names no server');
    expect(resolve({ ...byAddress, TEMPORAL_TLS_SERVER_NAME: 'temporal' }).temporal.address).toBe(
      '10.0.0.5:7233',
    );
    expect(resolve({ TEMPORAL_ADDRESS: '10.0.0.5:7233' }).temporal.address).toBe('10.0.0.5:7233');
  });

  it('take the proxies that other programs honour, and say nothing of one that is none', () => {
    const { proxy } = resolve({
      http_proxy: 'proxy.example:3128',
      HTTPS_PROXY: 'http://p:8080',
      NO_PROXY: 'a,b',
    }).transfer;
    expect(proxy).toEqual({ http: 'http://proxy.example:3128/', https: 'http://p:8080/', none: 'a,b' });
    expect(() => resolve({ https_proxy: 'ftp://user:secret@proxy' })).toThrow(/^(?!.*secret)/s);
    expect(() => resolve({ https_proxy: 'ftp://user:secret@proxy' })).toThrow(
      'https_proxy is not the address',
    );
  });

  it('are documented, each variable that is read and no other', () => {
    const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
    const names = (text: string, pattern: RegExp) =>
      [...new Set([...text.matchAll(pattern)].map((match) => match[1]))].toSorted();
    expect(names(read('docs/running.md'), /^\| `(LONGHAUL_[A-Z_]+)` +\|/gm)).toEqual(
      names(read('workers/options.ts'), /env\['(LONGHAUL_[A-Z_]+)'\]/g),
    );
  });

  it('refuse a value that makes no sense, naming the variable', () => {
    expect(() => resolve({ LONGHAUL_SLOTS: 'many' })).toThrow(/LONGHAUL_SLOTS is "many"/);
    expect(() => resolve({ LONGHAUL_ACCELERATION: 'xen' })).toThrow(/LONGHAUL_ACCELERATION is "xen"/);
  });
});
