// The records that a proof holds (docs/protocol.md 4), read from canonical bytes.
//
// A record becomes an object of its fields by name; a transaction and an effect also keep the bytes that they
// came from, because those are what is hashed and signed.

import { decode, encode, MalformedEncoding } from "./cbor.js";
import { hash } from "./hashing.js";

const FIELDS = {
  genesis: "version name timestampMs parameters validators allocations board",
  validator: "publicKey weight",
  envelope: "body signature",
  transaction: "version chain shard issuer sequence anchor parents operation work maxFee",
  work: "kind job generation worker results",
  effect: "transaction status fee workCounted changes figures",
  change: "account balance sequence stake",
  checkpoint:
    "version chain shard epoch index previous leader timestampMs orderedTotal orderedCount orderedRoot " +
    "effectsRoot receiptsRoot stateDigest accountsRoot price difficulty supply models nextCommittee",
  leader: "round author digest",
  supply: "genesis emitted burned balances stakes escrow fund inFlight",
  model: "job generation weightsDigest score budget",
  certificate: "index digest signatures",
  signature: "author signature",
  inclusion: "index size path",
  proof: "version transaction effect ordered effects checkpoint certificate",
};

/** The fields of a record by name; throws MalformedEncoding when their number is another one. */
export function name(kind, values) {
  const names = FIELDS[kind].split(" ");
  if (!Array.isArray(values) || values.length !== names.length) {
    throw new MalformedEncoding(`a ${kind} has ${names.length} fields`);
  }
  return Object.fromEntries(names.map((field, place) => [field, values[place]]));
}

/** A genesis, with its hash and chain. */
export function readGenesis(bytes) {
  const genesis = name("genesis", decode(bytes));
  const digest = hash("tangle/genesis", bytes);
  return {
    ...genesis,
    digest,
    chain: digest.slice(0, 8),
    prefix: String.fromCharCode(...genesis.parameters[0]),
    shardBits: genesis.parameters[1],
    validators: genesis.validators.map((one) => name("validator", one)),
  };
}

/** A signed transaction. `operation` keeps its tag first; `transfer` is there for a transfer. */
export function readTransaction(bytes) {
  const envelope = name("envelope", decode(bytes));
  const body = name("transaction", decode(envelope.body));
  const [tag, ...rest] = body.operation;
  return {
    ...body,
    id: hash("tangle/tx", bytes),
    signed: envelope.body,
    signature: envelope.signature,
    size: bytes.length,
    transfer: tag === 1n && rest.length === 2 ? { recipient: rest[0], amount: rest[1] } : null,
    work: name("work", body.work),
  };
}

/** What a transaction did. */
export function readEffect(bytes) {
  const effect = name("effect", decode(bytes));
  return { ...effect, changes: effect.changes.map((change) => name("change", change)) };
}

/** A checkpoint from its decoded fields, with its digest. */
export function readCheckpoint(values) {
  const checkpoint = name("checkpoint", values);
  return {
    ...checkpoint,
    digest: hash("tangle/check", encode(values)),
    leader: name("leader", checkpoint.leader),
    supply: name("supply", checkpoint.supply),
    models: checkpoint.models.map((model) => name("model", model)),
  };
}

/** A certificate from its decoded fields. */
export function readCertificate(values) {
  const certificate = name("certificate", values);
  return { ...certificate, signatures: certificate.signatures.map((part) => name("signature", part)) };
}

/** A proof; its transaction and effect are still bytes. */
export function readProof(bytes) {
  const proof = name("proof", decode(bytes));
  return {
    ...proof,
    ordered: name("inclusion", proof.ordered),
    effects: name("inclusion", proof.effects),
    checkpoint: readCheckpoint(proof.checkpoint),
    certificate: readCertificate(proof.certificate),
  };
}
