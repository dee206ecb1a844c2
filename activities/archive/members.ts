import type { Extent } from '../transfer/extents.ts';

/** A file in an archive. Its name obeys the rules of `MemberNames`. */
export interface ArchiveMember {
  /** Relative, with `/`; of a file in an archive in the archive: `outer.tar/inner`. */
  name: string;
  /** Unknown of what is merely compressed. */
  sizeBytes?: number;
}

/** A file in a plain tar, which may be used where it lies. */
export interface TarMember extends ArchiveMember {
  sizeBytes: number;
  /** Where its data starts in the tar, in bytes. */
  dataOffset: number;
  /** Whether not all of it is there, so that it has to be extracted. */
  isSparse: boolean;
}

/** A member while a tar is walked through. The map of a sparse file may be large: it is not kept for longer. */
export interface WalkedMember extends TarMember {
  /** Which parts of it are there, one behind the other from `dataOffset` on; the rest is zeros. */
  dataExtents: readonly Extent[];
}

/** A member whose data can be read now: until the next one is asked for. */
export interface OpenMember extends ArchiveMember {
  /** Its first bytes, as many as asked for or as there are. To be called before `body`, any number of times. */
  head: (count: number) => Promise<Buffer>;
  /** All of its bytes, once. What is not read is passed over. */
  body: () => AsyncGenerator<Buffer>;
  /**
   * The members of its body when it is an archive; when it is compressed, its content under its own name.
   */
  unpack: (body: AsyncGenerator<Buffer>) => AsyncGenerator<OpenMember>;
}

/** A member that is left out, such as a link or a device. */
export interface SkippedMember {
  name: string;
  why: string;
}
