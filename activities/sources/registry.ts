import type { SourceKind } from '../../contracts/spec.ts';
import { createAzureSource } from './azure/azure-source.ts';
import { createArchiveSource } from './archive/archive-source.ts';
import { createImageSource } from './image/image-source.ts';
import type { Source, SourceDeps } from './source.ts';

export type SourceOf = <K extends SourceKind>(kind: K) => Source<K>;

const kinds: Record<SourceKind, true> = { image: true, archive: true, azure: true };
export const sourceKinds = Object.keys(kinds) as readonly SourceKind[];

/** Every kind of source there is; a new one is a folder and a line here and above. */
export function createSources(deps: SourceDeps): SourceOf {
  const sources: { [K in SourceKind]: Source<K> } = {
    image: createImageSource(deps),
    archive: createArchiveSource(deps),
    azure: createAzureSource(deps),
  };
  return (kind) => sources[kind];
}
