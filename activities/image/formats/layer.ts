import type { ImageFormat } from '../../../contracts/spec.ts';

/** A file that a VMDK descriptor names as holding a piece of the disk. */
export interface ExtentReference {
  kind: 'flat' | 'sparse' | 'vmfs-sparse' | 'se-sparse';
  /** As written in the descriptor: absolute, or relative to the descriptor's directory. */
  name: string;
  sizeBytes: number;
  /** Where the piece starts in a flat file. */
  offsetBytes: number;
}

/**
 * What the header of one image file says, checked against the file's length but not yet against any other
 * file. Names in it are the image's own words and lead nowhere until chain.ts has resolved them.
 */
export interface Layer {
  format: ImageFormat;
  virtualSizeBytes: number;
  /** Bytes this layer holds data for, where qemu-img cannot tell (VHDX). */
  allocatedBytes?: number;
  /** The parent's name, its format when the header states it, and its content id for VMDK. */
  backing?: { name: string; format?: ImageFormat; contentId?: string };
  /** VMDK: id that a snapshot on top of this layer must name. */
  contentId?: string;
  extents: ExtentReference[];
  /** qcow2: external data file, and the last byte that the tables say it holds. */
  dataFile?: { name: string; endBytes: number };
}
