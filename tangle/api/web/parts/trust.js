// The genesis that proofs are checked against, and what is remembered of it.
//
// The page comes from the node, and so does the genesis: what the checks show is that the committee which that
// genesis names has signed. Whoever knows the network's hash from elsewhere compares it once; from then on this
// browser refuses another one under the same name.

import { toHex } from "../protocol/bytes.js";
import { readGenesis } from "../protocol/records.js";
import { getBytes } from "./node.js";

const PINNED = "genesis";
let asked = null;

/** The node's genesis, read once. */
export function getGenesis() {
  asked ??= getBytes("/v1/genesis").then(readGenesis).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** Whether the reader has confirmed this genesis: `pinned`, `other` (a different one was), or `unknown`. */
export function getTrust(genesis) {
  const pinned = localStorage.getItem(PINNED);
  if (pinned === null) return "unknown";
  return pinned === toHex(genesis.digest) ? "pinned" : "other";
}

/** Remember this genesis as the right one. */
export const pin = (genesis) => localStorage.setItem(PINNED, toHex(genesis.digest));
