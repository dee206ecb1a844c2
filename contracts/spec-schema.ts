import { z } from 'zod';
import { migrationSpec } from './spec.ts';

/** The part of JSON Schema that zod writes for the spec and that is read here. */
interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
}

/** JSON Schema (draft 2020-12) of what may be written in a spec file, for editors. */
export function specJsonSchema(): Record<string, unknown> {
  const { required, ...schema } = z.toJSONSchema(migrationSpec, { io: 'input' });
  return {
    ...schema,
    // A file may leave the name out: it comes from the first disk then.
    required: required?.filter((key) => key !== 'name'),
    title: 'Longhaul migration spec',
    description: 'One VM to migrate to KVM/libvirt. Relative paths count from the directory of the file.',
  };
}

let root: SchemaNode | undefined;
const schemaRoot = () => (root ??= specJsonSchema() as SchemaNode);

/** The keys a spec may have at `path` (array indexes included), in the order of the reference. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  let nodes = [schemaRoot()];
  for (const part of path) {
    nodes = nodes.flatMap(alternatives).flatMap((node) => {
      const next = typeof part === 'number' ? node.items : node.properties?.[String(part)];
      return next === undefined ? [] : [next];
    });
  }
  return [...new Set(nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** Dotted places where a key of exactly this name is valid: `format` is at `target.format` among others. */
export function placesOf(key: string): string[] {
  const places: string[] = [];
  const walk = (node: SchemaNode, prefix: string) => {
    for (const variant of alternatives(node)) {
      for (const [name, child] of Object.entries(variant.properties ?? {})) {
        if (name === key) places.push(prefix + name);
        walk(child, `${prefix}${name}.`);
      }
      if (variant.items !== undefined) walk(variant.items, `${prefix.slice(0, -1)}[].`);
    }
  };
  walk(schemaRoot(), '');
  return [...new Set(places)];
}

function alternatives(node: SchemaNode): SchemaNode[] {
  return [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];
}
