// Verifying a proof with the genesis, and the ends of epochs since (docs/protocol.md 5.13).

import { isEqual, toHex } from "./bytes.js";
import { demand, verifyCertificate } from "./certificate.js";
import { findCommittee } from "./epochs.js";
import { hash, walkPath } from "./hashing.js";
import { readEffect, readProof, readTransaction } from "./records.js";
import { isSigned, makeMessage } from "./signatures.js";

/** Home shard of an account. */
export function computeShard(publicKey, bits) {
  if (bits === 0n) return 0n;
  const [first, second] = hash("tangle/shard", publicKey);
  return BigInt((first << 8) | second) >> (16n - bits);
}

/**
 * Check a proof.
 *
 * @param {Array<object>} ends of epochs, from that of epoch 0 on: proofs of later epochs need them.
 * @param {(step: {name: string, detail: string}) => void} onStep is told of every check that held.
 * @returns {Promise<object>} what is proven: transaction, effect, checkpoint, certificate, both walks.
 * @throws {Refused} or {MalformedEncoding}: the first check that fails.
 */
export async function verifyProof(bytes, genesis, ends = [], onStep = () => {}) {
  const proof = readProof(bytes);
  const transaction = readTransaction(proof.transaction);
  const effect = readEffect(proof.effect);
  const { checkpoint } = proof;
  onStep({ name: "encoding", detail: `${bytes.length} bytes, canonical CBOR in every record` });

  const versions = [proof.version, checkpoint.version, transaction.version];
  demand(versions.every((version) => version === 1n), "version-unsupported", "a version other than 1");
  const chains = [checkpoint.chain, transaction.chain];
  demand(chains.every((chain) => isEqual(chain, genesis.chain)), "chain-wrong", "it is of another network");
  onStep({ name: "network", detail: `chain ${toHex(genesis.chain)}, named by the genesis` });

  const committee = await findCommittee(genesis, ends, checkpoint);
  const certified = await verifyCertificate(proof.certificate, checkpoint, committee.validators, genesis.chain);
  const { authors, weight, quorum, total } = certified;
  const led = committee.epoch === 0n ? "" : `, of epoch ${committee.epoch}, to which ${ends.length} ends of epochs lead`;
  onStep({
    name: "certificate",
    detail: `${authors.length} ed25519 signatures hold: weight ${weight} of ${total}, quorum ${quorum}${led}`,
  });

  await verifyTransaction(transaction, genesis);
  demand(transaction.shard === checkpoint.shard, "shard-wrong", "the checkpoint is of another shard");
  onStep({ name: "signature", detail: "the issuer signed exactly these bytes" });

  const { ordered, effects } = proof;
  const isOnePlace = ordered.index === effects.index && ordered.size === effects.size;
  demand(isOnePlace, "proof-invalid", "the two paths are of different places");
  const { orderedCount } = checkpoint;
  demand(ordered.size === orderedCount, "proof-invalid", "the tree is not of the checkpoint's size");
  demand(isEqual(effect.transaction, transaction.id), "proof-invalid", "the effect is of another transaction");
  const orderedWalk = walk(transaction.id, ordered, checkpoint.orderedRoot);
  onStep({ name: "order", detail: describeWalk("ordered", ordered) });
  const effectWalk = walk(proof.effect, effects, checkpoint.effectsRoot);
  onStep({ name: "effect", detail: describeWalk("its effect", effects) });
  return { ...proof, transaction, effect, certified, orderedWalk, effectWalk };
}

async function verifyTransaction(transaction, genesis) {
  const home = computeShard(transaction.issuer, genesis.shardBits);
  demand(transaction.shard === home, "shard-wrong", "it is not in its issuer's home shard");
  const parents = new Set(transaction.parents.map(toHex));
  const count = transaction.parents.length;
  demand(count >= 1 && count <= 8, "encoding-malformed", "a transaction has 1 to 8 parents");
  demand(parents.size === count, "parents-duplicate", "a parent is named twice");
  if (transaction.transfer) {
    demand(transaction.work.kind === 1n, "transaction-invalid", "unknown kind of work");
    demand(transaction.transfer.amount >= 1n, "transaction-invalid", "nothing is transferred");
  }
  const message = makeMessage("tangle/tx", transaction.chain, transaction.signed);
  const holds = await isSigned(message, transaction.signature, transaction.issuer);
  demand(holds, "signature-invalid", "the issuer's signature does not hold");
}

function walk(leaf, inclusion, root) {
  const walked = walkPath(leaf, inclusion.index, inclusion.size, inclusion.path);
  demand(walked, "proof-invalid", "a path is too long or too short");
  demand(isEqual(walked.root, root), "proof-invalid", "a path leads to another root");
  return walked;
}

function describeWalk(what, { index, size, path }) {
  return `${what} as number ${index + 1n} of ${size}; ${path.length} hashes lead to the checkpoint's root`;
}
