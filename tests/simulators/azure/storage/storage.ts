import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../certificates.ts';
import { serve, type Server, type Surroundings } from '../server.ts';
import { Azurite } from './azurite.ts';
import { BlobService, type AccessPolicy, type BlobName } from './blob-service.ts';
import { DiskContent, type FrozenContent } from './disk-content.ts';
import { blobFault } from './blob-error.ts';
import { BlobFront } from './front.ts';
import { policySas } from './shared-key.ts';

interface Running {
  azurite: Azurite;
  service: BlobService;
  front: Server | undefined;
}

/** Azurite and what stands before it; started when the first byte is put or the first snapshot taken. */
export class Storage {
  readonly #directory: string;
  readonly #certificates: Certificates;
  readonly #surroundings: Surroundings;
  readonly #endpoint: 'front' | 'azurite';
  readonly #frozen = new Map<string, FrozenContent>();
  #running: Promise<Running> | undefined;

  constructor(options: {
    directory: string;
    certificates: Certificates;
    surroundings: Surroundings;
    endpoint: 'front' | 'azurite';
  }) {
    this.#directory = options.directory;
    this.#certificates = options.certificates;
    this.#surroundings = options.surroundings;
    this.#endpoint = options.endpoint;
  }

  newDisk(sizeBytes: number): DiskContent {
    return new DiskContent(sizeBytes, async () => (await this.#start()).service);
  }

  async freeze(content: DiskContent): Promise<FrozenContent> {
    return this.#keep(await content.freeze());
  }

  async copy(content: FrozenContent): Promise<FrozenContent> {
    return this.#keep(await content.copy());
  }

  async remove(frozen: FrozenContent): Promise<void> {
    this.#frozen.delete(frozen.at.container);
    await frozen.remove();
  }

  /** The SAS URL of a blob that goes as far as a policy of its container. */
  async sasUrl(at: BlobName, policyId: string): Promise<string> {
    const { service, front } = await this.#start();
    const origin = front?.origin ?? service.origin;
    const query = policySas(service.account, at.container, at.blob, policyId);
    return `${origin}/${service.account.name}/${at.container}/${at.blob}?${query}`;
  }

  async setPolicies(at: BlobName, policies: readonly AccessPolicy[]): Promise<void> {
    await (await this.#start()).service.setPolicies(at.container, policies);
  }

  async close(): Promise<void> {
    if (!this.#running) return;
    const { azurite, service, front } = await this.#running;
    await front?.close();
    await service.close();
    await azurite.stop();
  }

  #keep(frozen: FrozenContent): FrozenContent {
    this.#frozen.set(frozen.at.container, frozen);
    return frozen;
  }

  #start(): Promise<Running> {
    return (this.#running ??= this.#launch());
  }

  async #launch(): Promise<Running> {
    const directory = join(this.#directory, 'azurite');
    mkdirSync(directory);
    const { cert, key, certPath, keyPath } = this.#certificates;
    const direct = this.#endpoint === 'azurite';
    const azurite = await Azurite.start(directory, direct ? { certPath, keyPath } : undefined);
    const service = new BlobService(azurite.origin, azurite.account, this.#certificates.ca);
    if (direct) return { azurite, service, front: undefined };
    const front = new BlobFront(azurite.origin, this.#frozen, this.#surroundings.settings);
    const server = await serve({
      service: 'blob',
      tls: { cert, key },
      surroundings: this.#surroundings,
      exchange: (request, response, url) => front.exchange(request, response, url),
      faultReply: blobFault,
    });
    return { azurite, service, front: server };
  }
}
