import { LonghaulError } from '../../../../contracts/errors.ts';
import type { ContentDigest } from '../../../../contracts/values.ts';
import type { DigestName } from '../../../archive/digests.ts';
import { checkRemedy } from '../../../image/content-digest.ts';

export type Manifest = ReadonlyMap<string, ContentDigest>;

/** One line for each file of the largest packages there are, chunks included, is far less. */
export const maxManifestBytes = 1024 ** 2;

const hexLength: Readonly<Record<DigestName, number>> = { sha1: 40, sha256: 64, sha512: 128 };

/**
 * Reads a manifest (DSP0243, 6.3): `SHA256(web01-disk1.vmdk)= 2c26...`, one file a line.
 *
 * @param file its name, for errors
 * @throws LonghaulError ARCHIVE_CHECKSUM for a line that is none, a digest that is cut off, a file with two digests
 */
export function parseManifest(text: string, file: string): Manifest {
  const manifest = new Map<string, ContentDigest>();
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n|\r/)
    .entries()) {
    if (line.trim() === '') continue;
    const { name, digest } = parseLine(line) ?? {};
    if (name === undefined || digest === undefined)
      throw unusable(
        file,
        `line ${index + 1} is not the digest of a file: ${JSON.stringify(line.slice(0, 120))}`,
      );
    const known = manifest.get(name);
    if (known !== undefined && (known.algorithm !== digest.algorithm || known.hex !== digest.hex))
      throw unusable(file, `it has two digests of ${name}`);
    manifest.set(name, digest);
  }
  if (manifest.size === 0) throw unusable(file, 'it names no file');
  return manifest;
}

function parseLine(line: string): { name: string; digest: ContentDigest } | undefined {
  const [, bits, name = '', hex = ''] =
    /^\s*SHA-?(1|256|512)\s*\((.+)\)\s*=\s*([\da-f]+)\s*$/i.exec(line) ?? [];
  const algorithm = bits === '1' ? 'sha1' : bits === '256' ? 'sha256' : 'sha512';
  const isWhole = bits !== undefined && hex.length === hexLength[algorithm];
  return isWhole ? { name: name.trim(), digest: { algorithm, hex: hex.toLowerCase() } } : undefined;
}

function unusable(file: string, why: string): LonghaulError {
  return new LonghaulError('ARCHIVE_CHECKSUM', {
    found: `the manifest ${file} cannot be used: ${why}`,
    remedy: checkRemedy,
    details: { manifest: file },
  });
}
