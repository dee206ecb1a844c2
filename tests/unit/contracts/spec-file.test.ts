import { describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../contracts/errors.ts';
import { parseSpecFile } from '../../../contracts/spec-file.ts';

const parse = (text: string) => parseSpecFile(text, 'vm.yaml', '/specs');

/** What the operator reads about a spec that is refused. */
function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof LonghaulError && error.code === 'SPEC_INVALID') return error.found;
    throw error;
  }
  throw new Error('the spec was taken');
}

describe('a spec file that is right', () => {
  it('counts relative paths from the directory of the file and names the VM after its first disk', () => {
    const spec = parse(
      'source:\n  kind: image\n  disks: [disks/My VM.vmdk, {path: /data.img}]\ntarget: {directory: out}\n',
    );
    expect(spec.name).toBe('My-VM');
    expect(spec.source).toMatchObject({
      disks: [{ path: '/specs/disks/My VM.vmdk' }, { path: '/data.img' }],
    });
    expect(spec.target.directory).toBe('/specs/out');
  });

  it('takes disks on web servers as they are written, and names the VM after the first', () => {
    const { name, source } = parse(
      'source:\n  kind: image\n  disks:\n    - https://images.example/a/My%20VM.qcow2\n    - url: env:DISK_URL\n      format: raw\n    - data.img\n',
    );
    expect(name).toBe('My-VM');
    expect(source).toMatchObject({
      disks: [
        { url: 'https://images.example/a/My%20VM.qcow2' },
        { url: 'env:DISK_URL', format: 'raw' },
        { path: '/specs/data.img' },
      ],
    });
    expect(refusal('source: {kind: image, disks: [{url: env:DISK_URL}]}')).toContain('name: is missing');
  });

  it('counts paths of files for the guest from the directory of the file, too', () => {
    const { guest } = parse(
      'source: {kind: image, disks: [a]}\nguest:\n  agentPackages: [agent]\n  firstBoot: [x.sh]\n  sshKeys: [{user: root, keyFile: ops.pub}]\n',
    );
    expect(guest).toMatchObject({
      agentPackages: ['/specs/agent'],
      firstBoot: ['/specs/x.sh'],
      sshKeys: [{ user: 'root', keyFile: '/specs/ops.pub' }],
    });
  });

  it('may be JSON, and gets every default filled in', () => {
    const spec = parse('{"name": "web01", "source": {"kind": "image", "disks": ["/a.img"]}}');
    expect(spec.target).toMatchObject({ format: 'qcow2', firmware: 'auto', host: 'any' });
    expect(spec.policy).toMatchObject({ onFailure: 'park', verifyBoot: true });
  });
});

describe('a spec file that is wrong', () => {
  it('may set an address for a card of the VM only, and only a whole address', () => {
    const spec = (address: string, mac = '52:54:00:00:00:01') => `source:
  kind: image
  disks: [/a.img]
  nics: [{mac: "52:54:00:00:00:01"}]
guest:
  addresses: [{mac: "${mac}", address: "${address}"}]
`;
    expect(parse(spec('2001:db8::5/64')).guest.addresses).toMatchObject([
      { address: '2001:db8::5/64', dns: [] },
    ]);
    expect(refusal(spec('10.0.0.5'))).toContain('must look like 192.0.2.10/24');
    expect(refusal(spec('10.0.0.5/24', '52:54:00:00:00:02'))).toContain(
      'is none of the MAC addresses in source.nics',
    );
  });

  it('has all its problems listed, each with line, column and what is meant', () => {
    expect(
      refusal(`source:
  kind: image
  disks:
    - a
    - path: ~/b
      formt: raw
    - 5
  nics: [{mac: zz}]
  format: raw
target:
  formt: qcow3
  format: qcow3
  cpus: 1.5
  memoryMiB: "4"
targt: 1
policy:
  onfailure: park
  verifyBoot: yes
  bootTimeoutSeconds: 1
`),
    ).toBe(`vm.yaml has 13 problems.
  vm.yaml:5:13: source.disks[1].path: must be an absolute path (found "~/b")
  vm.yaml:6:7: source.disks[1].formt: is not a key of the spec; did you mean "format"?
  vm.yaml:7:7: source.disks[2]: must be text or a mapping, not 5
  vm.yaml:8:16: source.nics[0].mac: must look like 52:54:00:12:34:56 (found "zz")
  vm.yaml:9:3: source.format: does not belong here; it is written as source.disks[].format or target.format
  vm.yaml:11:3: target.formt: is not a key of the spec; did you mean "format"?
  vm.yaml:12:11: target.format: must be one of qcow2, raw, not "qcow3"; did you mean "qcow2"?
  vm.yaml:13:9: target.cpus: must be a whole number, not 1.5
  vm.yaml:14:14: target.memoryMiB: must be a number, not "4"
  vm.yaml:15:1: targt: is not a key of the spec; did you mean "target"?
  vm.yaml:17:3: policy.onfailure: is not a key of the spec; did you mean "onFailure"?
  vm.yaml:18:15: policy.verifyBoot: must be true or false, not "yes"
  vm.yaml:19:23: policy.bootTimeoutSeconds: must be at least 5, not 1`);
  });

  it.each([
    ['https://ada:hunter2@h.example/a.raw', 'has a user, a query or a fragment, which may be secret'],
    ['https://h.example/a.raw?sig=hunter2', 'let the worker find the whole address, and write url: env:NAME'],
    ['https://h.example/a.raw?', 'has a user, a query or a fragment'],
    ['https://h.example/a.raw#hunter2', 'has a user, a query or a fragment'],
    ['ftp://ada:hunter2@h.example/a.raw', 'must be an https:// address'],
    ['https:///hunter2 a.raw', 'must be an https:// address'],
  ])(
    'may not have an address that keeps a secret in history, and never repeats it: %s',
    (address, message) => {
      for (const disk of [`- "${address}"`, `- {url: "${address}"}`, `- {path: "${address}"}`]) {
        const found = refusal(`source:\n  kind: image\n  disks:\n    ${disk}\nname: x\n`);
        expect(found).toContain('vm.yaml:4:');
        expect(found).not.toContain('hunter2');
        if (!disk.includes('path')) expect(found).toContain(message);
      }
    },
  );

  it('says what is wrong with a disk as the kind of disk that it comes nearest to', () => {
    expect(
      refusal(`name: x
source:
  kind: image
  disks:
    - {url: secret, formt: raw}
    - {url: "https://h.example/a", path: /a}
    - {format: raw}
    - {ulr: "https://h.example/a"}
    - relative://a
`),
    ).toBe(`vm.yaml has 7 problems.
  vm.yaml:5:13: source.disks[0].url: must be an https:// address, or env:NAME, file:/PATH or cred:NAME where the worker finds one
  vm.yaml:5:21: source.disks[0].formt: is not a key of the spec; did you mean "format"?
  vm.yaml:6:8: source.disks[1].url: cannot stand beside path
  vm.yaml:7:7: source.disks[2].path: is missing; it must be text
  vm.yaml:8:7: source.disks[3].path: is missing; it must be text
  vm.yaml:8:8: source.disks[3].ulr: is not a key of the spec; did you mean "url"?
  vm.yaml:9:7: source.disks[4]: must be an https:// address`);
  });

  it.each([
    ['an empty file', '', 'vm.yaml:1:1: the file is empty'],
    ['a list', '- x\n', 'vm.yaml:1:1: the spec: must be a mapping, not a list'],
    [
      'a kind of source there is none of',
      'name: x\nsource: {kind: vmx, disks: [a]}',
      'vm.yaml:2:16: source.kind: must be one of image, archive, azure, not "vmx"',
    ],
    [
      'a source without a kind',
      'name: x\nsource: {disks: [a]}',
      'vm.yaml:2:9: source.kind: is missing; it must be one of image, archive, azure',
    ],
    [
      'a source without disks',
      'name: x\nsource: {kind: image, disks: []}',
      'vm.yaml:2:30: source.disks: must have at least 1 entry, not 0',
    ],
    ['a key given twice', 'name: x\nname: y\n', 'vm.yaml:2:1: Map keys must be unique'],
    ['a tab', 'name: x\nsource:\n\tkind: image', 'vm.yaml:3:1: Tabs are not allowed as indentation'],
    [
      'a tag of another program',
      'name: !!js/function x',
      'vm.yaml:1:7: Unresolved tag: tag:yaml.org,2002:js/function',
    ],
    [
      'two places for the disks',
      'name: x\nsource: {kind: image, disks: [a]}\ntarget: {directory: /a, pool: p}',
      'vm.yaml:3:31: target.pool: give either directory or pool, not both',
    ],
  ])('says where and why for %s', (_what, text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  it('refuses a second document and says to use a file for each VM', () => {
    expect(refusal('name: a\n---\nname: b\n')).toContain('vm.yaml:2:1: a second document begins here');
    expect(refusal('name: a\n---\nname: b\n')).toContain('a file of its own');
  });

  it('never repeats what was written for a key, which may be the passphrase itself', () => {
    const text =
      'name: x\nsource: {kind: image, disks: [a]}\nguest:\n  luksKeys: [{key: hunter2}, hunter3]\n';
    expect(refusal(text)).toContain(
      'vm.yaml:4:20: guest.luksKeys[0].key: must be env:NAME, file:/PATH or cred:NAME',
    );
    expect(refusal(text)).not.toMatch(/hunter/);
  });

  it('says what a host name, a public key and a user must look like, and never repeats a private key', () => {
    const text = `name: x
source: {kind: image, disks: [a]}
guest:
  hostname: -web_1
  firstBoot: [~/x.sh]
  sshKeys:
    - {user: ada}
    - {user: ada, key: "-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNz"}
    - {user: "a b", keyFile: /k.pub}
`;
    const found = refusal(text);
    expect(found).toContain('vm.yaml:4:13: guest.hostname: must be a host name');
    expect(found).toContain('vm.yaml:5:15: guest.firstBoot[0]: must be an absolute path (found "~/x.sh")');
    expect(found).toContain('vm.yaml:7:7: guest.sshKeys[0]: must have either key or keyFile');
    expect(found).toContain(
      'vm.yaml:8:24: guest.sshKeys[1].key: must be a public key as in an id_ed25519.pub file',
    );
    expect(found).toContain('vm.yaml:9:14: guest.sshKeys[2].user: must be the name of a user (found "a b")');
    expect(found).not.toContain('b3BlbnNz');
  });

  it('does not let aliases exhaust memory', () => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array(12).fill(`*${of}`).join(',')}]\n`;
    const bomb = `a: &a [x,x,x,x,x,x]\n${level('b', 'a')}${level('c', 'b')}${level('d', 'c')}`;
    expect(refusal(bomb)).toContain('Excessive alias count');
  });

  it('does not read a disk image as a spec', () => {
    expect(refusal('x'.repeat(2 * 1024 * 1024))).toContain('a spec has at most that');
  });

  it('does not take __proto__ for anything but an unknown key', () => {
    expect(refusal('{"name":"x","__proto__":{"y":1},"source":{"kind":"image","disks":["a"]}}')).toContain(
      '__proto__: is not a key',
    );
  });
});
