import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sign } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { certificateFinding } from '../../../../activities/sources/archive/ovf/certificate.ts';
import { parseManifest } from '../../../../activities/sources/archive/ovf/manifest.ts';

const sha256 = 'a'.repeat(64);
const sha1 = 'b'.repeat(40);

describe('a manifest', () => {
  it.each([
    ['VMware', `SHA256(web01.ovf)= ${sha256}\nSHA256(web01-disk1.vmdk)= ${sha256}\n`],
    ['VirtualBox', `SHA256 (web01.ovf) = ${sha256}\nSHA256 (web01-disk1.vmdk) = ${sha256}`],
    ['Windows', `SHA256(web01.ovf)= ${sha256}\r\nSHA256(web01-disk1.vmdk)= ${sha256}\r\n`],
    ['old Macs', `SHA256(web01.ovf)= ${sha256}\rSHA256(web01-disk1.vmdk)= ${sha256}\r`],
    [
      'other programs',
      `\ufeffsha-256(web01.ovf)=${sha256.toUpperCase()}\n\nSHA256(web01-disk1.vmdk)=  ${sha256} \n`,
    ],
  ])('is read as %s writes it', (_who, text) => {
    const digest = { algorithm: 'sha256', hex: sha256 };
    expect([...parseManifest(text, 'web01.mf')]).toEqual([
      ['web01.ovf', digest],
      ['web01-disk1.vmdk', digest],
    ]);
  });

  it.each([
    ['SHA1', sha1, 'sha1'],
    ['SHA512', 'c'.repeat(128), 'sha512'],
  ])('may use %s', (word, hex, algorithm) => {
    expect(parseManifest(`${word}(a (copy).vmdk)= ${hex}\n`, 'm').get('a (copy).vmdk')).toEqual({
      algorithm,
      hex,
    });
  });

  it.each([
    ['is empty', ''],
    ['ends in the middle of a digest', `SHA256(a.ovf)= ${sha256}\nSHA256(b.vmdk)= ${sha256.slice(0, 20)}`],
    ['ends in the middle of a name', `SHA256(a.ovf)= ${sha256}\nSHA256(b.vm`],
    ['has a digest of another length', `SHA1(a.ovf)= ${sha256}`],
    ['has two digests of one file', `SHA256(a.ovf)= ${sha256}\nSHA256(a.ovf)= ${'d'.repeat(64)}`],
    ['uses another algorithm', `MD5(a.ovf)= ${'e'.repeat(32)}`],
    ['is something else', 'hello'],
  ])('is refused when it %s', (_what, text) => {
    expect(() => parseManifest(text, 'web01.mf')).toThrow(
      expect.objectContaining({
        code: 'ARCHIVE_CHECKSUM',
        found: expect.stringContaining('web01.mf') as string,
      }),
    );
  });
});

describe('a certificate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'longhaul-test-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const key = join(directory, 'key.pem');
  const pem = join(directory, 'cert.pem');
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/O=Example/CN=Ann',
      '-days',
      '9',
      '-keyout',
      key,
      '-out',
      pem,
    ],
    { stdio: 'ignore' },
  );
  const manifest = Buffer.from(`SHA256(a.ovf)= ${sha256}\n`);
  const file = (of: Buffer) =>
    `SHA256(a.mf)= ${sign('sha256', of, readFileSync(key)).toString('hex')}\n${readFileSync(pem, 'utf8')}`;

  it('whose signature is right is told with its owner, and not called trusted', () => {
    const finding = certificateFinding('a.cert', file(manifest), manifest);
    expect(finding).toMatchObject({ severity: 'info', code: 'signed-manifest' });
    expect(finding.found).toContain('CN=Ann');
    expect(finding.remedy).toContain('not asked');
  });

  it.each([
    ['of another manifest', file(Buffer.from('else')), manifest],
    ['without a manifest', file(manifest), undefined],
  ])('whose signature is %s is a warning', (_what, text, over) =>
    expect(certificateFinding('a.cert', text, over)).toMatchObject({
      severity: 'warning',
      code: 'wrong-signature',
    }),
  );

  it.each([
    '',
    'SHA256(a.mf)= 00',
    `SHA256(a.mf)= 00\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  ])('that is none is told and stops nothing: %j', (text) =>
    expect(certificateFinding('a.cert', text, manifest)).toMatchObject({
      severity: 'info',
      code: 'unread-certificate',
    }),
  );
});
