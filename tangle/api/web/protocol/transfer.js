// Building and signing a transfer (docs/protocol.md 4.2).

import { fromHex } from "./bytes.js";
import { encode } from "./cbor.js";
import { hash } from "./hashing.js";
import { decodeAddress } from "./address.js";
import { makeMessage } from "./signatures.js";

/** The key that an address names; throws a RangeError for a mistyped one. */
function readKey(address) {
  const decoded = decodeAddress(address);
  if (!decoded) throw new RangeError(`${address} is no address`);
  return decoded.publicKey;
}

/**
 * Bytes and id of a signed transfer, from what `POST /v1/prepare` with `"work": true` answered.
 *
 * @param prepared the answer's `data`
 * @param {string} recipient an address
 * @param {bigint} amount grains
 * @param signer of `makeSigner`
 */
export async function signTransfer(prepared, recipient, amount, signer) {
  const { work } = prepared;
  const results = work.results.map(BigInt);
  const body = encode([
    1,
    fromHex(prepared.chain),
    prepared.shard,
    signer.publicKey,
    BigInt(prepared.sequence),
    BigInt(prepared.anchor),
    prepared.parents.map(fromHex),
    [1, readKey(recipient), amount],
    [work.kind, fromHex(work.job), BigInt(work.generation), readKey(work.worker), results],
    BigInt(prepared.suggested_max_fee),
  ]);
  const signature = await signer.sign(makeMessage("tangle/tx", fromHex(prepared.chain), body));
  const bytes = encode([body, signature]);
  return { bytes, id: hash("tangle/tx", bytes) };
}
