import { describe, expect, it } from 'vitest';
import { isAtLeast, versionIn } from '../../../../workers/embedded/version.ts';

describe('versionIn', () => {
  it.each([
    ['temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)', '1.9.1'],
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)', '7.2.22'],
    ['*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***', '1.5.4'],
    ['9.0.0', '9.0.0'],
  ])('finds the version in %j', (text, version) => {
    expect(versionIn(text)).toBe(version);
  });

  it('finds none where there is none', () => {
    expect(versionIn('command not found')).toBeUndefined();
  });
});

describe('isAtLeast', () => {
  it.each([
    ['1.10.0', '1.9.1'],
    ['1.8.0', '1.8.0'],
    ['2', '1.9.9'],
    ['1.8', '1.8.0'],
  ])('%s is at least %s', (version, minimum) => {
    expect(isAtLeast(version, minimum)).toBe(true);
  });

  it.each([
    ['1.5.1', '1.8.0'],
    ['1.8', '1.8.1'],
    ['0.13.2', '1.8.0'],
  ])('%s is older than %s', (version, minimum) => {
    expect(isAtLeast(version, minimum)).toBe(false);
  });
});
