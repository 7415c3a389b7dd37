// The genesis that proofs are checked against, and what is remembered of it.
//
// The page comes from the node, and so does the genesis: what the checks show is that the committee which that
// genesis names has signed. Whoever knows the network's hash from elsewhere compares it once; from then on this
// browser refuses another one under the same name.

import { toHex } from "../protocol/bytes.js";
import { readEpochEnds } from "../protocol/epochs.js";
import { readGenesis } from "../protocol/records.js";
import { getBytes } from "./node.js";

const PINNED = "genesis";
const EPOCHS_A_PAGE = 64;
let asked = null;
let ends = [];

/** The node's genesis, read once. */
export function getGenesis() {
  asked ??= getBytes("/v1/genesis").then(readGenesis).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** The ends of all epochs so far, for proofs of later committees; those that are known are not asked for again. */
export async function getEpochEnds() {
  for (;;) {
    const first = ends.length ? ends.at(-1).checkpoint.epoch : 0n;
    const more = readEpochEnds(await getBytes(`/v1/epochs?first=${first}&limit=${EPOCHS_A_PAGE}`));
    if (!more.length) return ends;
    ends = [...ends, ...more];
  }
}

/** Whether the reader has confirmed this genesis: `pinned`, `other` (a different one was), or `unknown`. */
export function getTrust(genesis) {
  const pinned = localStorage.getItem(PINNED);
  if (pinned === null) return "unknown";
  return pinned === toHex(genesis.digest) ? "pinned" : "other";
}

/** Remember this genesis as the right one. */
export const pin = (genesis) => localStorage.setItem(PINNED, toHex(genesis.digest));
