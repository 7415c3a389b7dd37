// Hashes with a purpose, and Merkle trees of the shape of RFC 6962 (docs/protocol.md 5.2).

import { ascii, concat, isEqual } from "./bytes.js";
import { blake2b } from "./blake2b.js";
import { encode } from "./cbor.js";

/** BLAKE2b-256 of `data`, personalised with the purpose. */
export function hash(purpose, data) {
  return blake2b(data, { person: ascii(purpose) });
}

/** The hash of the canonical array of `fields`. */
export function hashRecord(purpose, ...fields) {
  return hash(purpose, encode(fields));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const hashLeaf = (leaf) => hash("tangle/merkle", concat(LEAF, leaf));
export const hashNode = (left, right) => hash("tangle/merkle", concat(NODE, left, right));

/** The root over `leaves`, in order. */
export function computeRoot(leaves) {
  if (leaves.length === 0) return hash("tangle/merkle", new Uint8Array());
  if (leaves.length === 1) return hashLeaf(leaves[0]);
  let split = 1;
  while (2 * split < leaves.length) split *= 2;
  return hashNode(computeRoot(leaves.slice(0, split)), computeRoot(leaves.slice(split)));
}

/**
 * The root that a path leads to (RFC 9162 section 2.1.3.2), with every step on the way.
 *
 * @returns {{root: Uint8Array, steps: {sibling: Uint8Array, isLeft: boolean, result: Uint8Array}[]} | null}
 *   null when the path is too long or too short.
 */
export function walkPath(leaf, index, size, path) {
  if (index >= size) return null;
  let place = index;
  let last = size - 1n;
  let result = hashLeaf(leaf);
  const steps = [];
  for (const sibling of path) {
    if (last === 0n) return null;
    const isLeft = (place & 1n) === 1n || place === last;
    result = isLeft ? hashNode(sibling, result) : hashNode(result, sibling);
    if (isLeft && (place & 1n) === 0n) {
      while ((place & 1n) === 0n && place !== 0n) {
        place >>= 1n;
        last >>= 1n;
      }
    }
    place >>= 1n;
    last >>= 1n;
    steps.push({ sibling, isLeft, result });
  }
  return last === 0n ? { root: result, steps } : null;
}

/** Whether `leaf` is the leaf number `index` of the `size` leaves under `root`. */
export function isIncluded(leaf, index, size, path, root) {
  const walked = walkPath(leaf, index, size, path);
  return walked !== null && isEqual(walked.root, root);
}
