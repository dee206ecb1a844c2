import type { SourceKind } from '../../contracts/spec.ts';
import { imageSource } from './image/image-source.ts';
import type { Source } from './source.ts';

/** Every kind of source there is; a new one is a folder and a line here. */
const sources: { [K in SourceKind]: Source<K> } = {
  image: imageSource,
};

export function sourceOf<K extends SourceKind>(kind: K): Source<K> {
  return sources[kind];
}
