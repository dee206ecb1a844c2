import { describe, expect, it } from 'vitest';
import { gateKeyFrom, gatesOf, shareOf } from '../../../contracts/gates.ts';
import { migrationSpec } from '../../../contracts/spec.ts';

const gates = (source: unknown, diskCount = 1) =>
  gatesOf(migrationSpec.parse({ name: 'web01', source, target: {} }), diskCount);

describe('the gates of a migration', () => {
  it('are none when its disks lie on the host, or only the worker knows where they lie', () => {
    expect(gates({ kind: 'image', disks: ['/images/a.qcow2'] })).toEqual([]);
    expect(gates({ kind: 'archive', path: '/images/a.ova' })).toEqual([]);
    expect(gates({ kind: 'image', disks: [{ url: 'env:SIGNED' }, { url: 'file:/etc/address' }] })).toEqual(
      [],
    );
  });

  it('are the web servers of its disks, whatever the case, each once and in one order', () => {
    const disks = [
      'https://b.example.com/1',
      '/images/2',
      'https://A.example.com:443/3',
      'https://b.example.com/4',
    ];
    expect(gates({ kind: 'image', disks })).toEqual([
      { key: 'https://a.example.com', weight: 1 },
      { key: 'https://b.example.com', weight: 2 },
    ]);
    expect(gates({ kind: 'archive', url: 'http://a.example.com:8080/b.ova' })).toEqual([
      { key: 'http://a.example.com:8080', weight: 1 },
    ]);
  });

  it('are the subscription of a VM in Azure, with the disks that it has', () => {
    const subscription = '01234567-89AB-cdef-0123-456789abcdef';
    expect(gates({ kind: 'azure', subscription, resourceGroup: 'rg', vm: 'web01' }, 3)).toEqual([
      { key: 'azure/01234567-89ab-cdef-0123-456789abcdef', weight: 3 },
    ]);
  });
});

describe('a key as an operator writes it', () => {
  it.each([
    ['https://Files.example.com/images/web01.qcow2', 'https://files.example.com'],
    ['01234567-89AB-cdef-0123-456789abcdef', 'azure/01234567-89ab-cdef-0123-456789abcdef'],
    ['azure/01234567-89ab-cdef-0123-456789abcdef', 'azure/01234567-89ab-cdef-0123-456789abcdef'],
  ])('%s is %s', (text, key) => expect(gateKeyFrom(text)).toBe(key));

  it.each(['files.example.com', 'azure/web01', '/images/web01.qcow2', ''])('%j is none', (text) => {
    expect(() => gateKeyFrom(text)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
  });
});

describe('the key of a place that disks are copied to', () => {
  it('is a host, or a directory of one or of all hosts, with or without a slash at its end', () => {
    expect(gateKeyFrom('host/kvm1')).toBe('host/kvm1');
    expect(gateKeyFrom('storage/kvm1:/srv/vms/')).toBe('storage/kvm1:/srv/vms');
    expect(gateKeyFrom('storage/*:/srv/vms')).toBe('storage/*:/srv/vms');
    expect(() => gateKeyFrom('storage/kvm1:srv')).toThrow(/not the key/);
  });
});

describe('the share of a migration in a budget of bandwidth', () => {
  const entry = (migrationId: string, weight: number) => ({ migrationId, runId: 'r', turn: 1, weight });
  const book = { limit: 8, bytesPerSecond: 800, holders: [entry('web01', 1), entry('db01', 3)], lines: [] };

  it('goes by its disks, and all together are the budget', () => {
    expect(shareOf(book, 'web01')).toBe(200);
    expect(shareOf(book, 'db01')).toBe(600);
  });

  it('is that of one disk more for one whose place was taken back', () => {
    expect(shareOf(book, 'gone')).toBe(160);
  });

  it('has no bounds without a budget', () => {
    expect(shareOf({ limit: 8, holders: [], lines: [] }, 'web01')).toBe(Infinity);
  });
});
