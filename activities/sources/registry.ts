import type { SourceKind } from '../../contracts/spec.ts';
import { createAzureSource } from './azure/azure-source.ts';
import { createArchiveSource } from './archive/archive-source.ts';
import { createImageSource } from './image/image-source.ts';
import type { Source, SourceDeps } from './source.ts';

export type SourceOf = <K extends SourceKind>(kind: K) => Source<K>;

export const sourceKinds: readonly SourceKind[] = ['image', 'azure'];

/** Every kind of source there is; a new one is a folder and a line here. */
export function createSources(deps: SourceDeps): SourceOf {
  const sources: { [K in SourceKind]: Source<K> } = {
    image: createImageSource(deps),
    archive: createArchiveSource(deps),
    azure: createAzureSource(deps),
  };
  return (kind) => sources[kind];
}
