import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostTools } from '../../../activities/preflight/tools.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const words = (text: string | undefined) => (text ?? '').split(/[\s\\]+/).filter(Boolean);

const installed = words(/^host_packages=\(\n(.*?)^\)/ms.exec(read('scripts/packages.sh'))?.[1]);

/** Packages without a program of their own, or looked at by another line of doctor. */
const seenOtherwise = {
  ovmf: 'UEFI firmware',
  libguestfs0: 'libguestfs',
  'libguestfs-xfs': 'libguestfs',
  'libvirt-daemon-system': 'libvirt',
  'python3-pip': 'temporal',
  'ca-certificates': 'temporal',
  libatomic1: 'Node.js itself, which would not run',
};

describe('the packages a host needs', () => {
  it('are the same in the setup script and in the guide', () => {
    const guide = /apt-get install --no-install-recommends \\\n(.*?)\n\n/s.exec(read('docs/running.md'))?.[1];
    expect(words(guide)).toEqual(installed);
  });

  it('are each looked at by doctor', () => {
    const looked = new Set([...hostTools.map((tool) => tool.package), ...Object.keys(seenOtherwise)]);
    expect([...looked].toSorted()).toEqual(installed.toSorted());
  });
});
