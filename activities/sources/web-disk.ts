import { isWebAddress } from '../../contracts/disk-address.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { secretRef } from '../../contracts/spec-atoms.ts';
import type { ImageFormat } from '../../contracts/spec.ts';
import type { Finding, RemoteDisk } from '../../contracts/values.ts';
import { flatten } from '../image/enclosure.ts';
import { factsOfHead, type HeadFacts } from '../image/formats/head.ts';
import { type AskedDisk, askDisk } from '../transfer/ask-disk.ts';
import { FollowedAccess } from '../transfer/followed-access.ts';
import { publicPart } from '../transfer/http-access.ts';
import { HttpRangeSource, markOf } from '../transfer/http-source.ts';
import type { RangeSource } from '../transfer/range-source.ts';
import type { SourceDeps } from './source.ts';

export interface WebDiskSpec {
  index: number;
  /** As the spec has it: an address, or where one is found. */
  url: string;
  format: ImageFormat | undefined;
}

type WebDeps = Pick<SourceDeps, 'resolveSecret' | 'transfer'>;

/** A disk on a web server. Its address may hold a signature or a user: only `name` is for people. */
export class WebDisk {
  readonly name: string;
  readonly #url: string;
  readonly #address: URL;
  readonly #deps: WebDeps;

  private constructor(url: string, address: URL, deps: WebDeps) {
    this.name = publicPart(address);
    this.#url = url;
    this.#address = address;
    this.#deps = deps;
  }

  /** @param url as the spec has it. @throws LonghaulError SECRET_UNRESOLVED */
  static async of(url: string, deps: WebDeps): Promise<WebDisk> {
    return new WebDisk(url, await addressOf(url, deps), deps);
  }

  /** What can be known before it is here. @throws what `askDisk` throws; IMAGE_REFERENCE_OUTSIDE */
  async describe({ index, format }: WebDiskSpec, signal: AbortSignal): Promise<RemoteDisk> {
    const { head, sizeBytes } = await this.#ask(signal);
    const { virtualSizeBytes, namesOtherFiles } = format === 'raw' ? rawFacts : factsOfHead(head);
    if (namesOtherFiles)
      throw new LonghaulError('IMAGE_REFERENCE_OUTSIDE', {
        found: `${this.name} holds only a part of its disk: it names other files for the rest, and an image that is fetched comes alone`,
        remedy: flatten,
      });
    return { index, name: this.name, virtualSizeBytes: virtualSizeBytes ?? sizeBytes, dataBytes: sizeBytes };
  }

  /** Ready to be read in ranges. Which parts of a file hold data a web server does not say: all of it is fetched. */
  async open(signal: AbortSignal): Promise<RangeSource> {
    const { url, sizeBytes, validator } = await this.#ask(signal);
    const access = new FollowedAccess(url, async (again) => {
      const address = await addressOf(this.#url, this.#deps);
      return (await askDisk(this.name, address, this.#deps.transfer.dispatcher, again)).url;
    });
    const extents = [{ offset: 0, length: sizeBytes }];
    return new HttpRangeSource(
      // Two files may have the same tag, which is often made of size and time.
      {
        name: this.name,
        identity: `${this.name} ${markOf(validator)}`,
        access,
        sizeBytes,
        extents,
        ...validator,
      },
      this.#deps.transfer.dispatcher,
    );
  }

  /** What an operator should know of a server without TLS. */
  get findings(): Finding[] {
    if (this.#address.protocol === 'https:') return [];
    return [
      {
        severity: 'warning',
        code: 'unprotected-transfer',
        found: `${this.name} is fetched without TLS: whoever is between can read the disk, and change it`,
        remedy: 'Use https:// where the server offers it, or a network that is yours.',
      },
    ];
  }

  #ask(signal: AbortSignal): Promise<AskedDisk> {
    return askDisk(this.name, this.#address, this.#deps.transfer.dispatcher, signal);
  }
}

const rawFacts: HeadFacts = { namesOtherFiles: false };

async function addressOf(url: string, { resolveSecret }: WebDeps): Promise<URL> {
  const reference = secretRef.safeParse(url);
  if (!reference.success) return new URL(url);
  const secret = await resolveSecret(reference.data);
  const text = secret.toString('utf8');
  secret.fill(0);
  if (isWebAddress(text)) return new URL(text);
  throw new LonghaulError('SECRET_UNRESOLVED', {
    found: `${url}: what is there is no https:// address`,
    remedy: 'Put the whole address of the disk there, in one line.',
  });
}
