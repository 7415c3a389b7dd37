// The records that a proof holds (docs/protocol.md 4), read from canonical bytes.
//
// A record becomes an object of its fields by name; a transaction and an effect also keep the bytes that they
// came from, because those are what is hashed and signed.

import { decode, encode, MalformedEncoding } from "./cbor.js";
import { hash } from "./hashing.js";

// Every field with its type: `n` natural, `i` integer, `b` byte string, `b32` one of 32 bytes, `l` array.
const FIELDS = {
  genesis: "version:n name:b timestampMs:n parameters:l validators:l allocations:l board:l",
  validator: "publicKey:b32 weight:n",
  envelope: "body:b signature:b64",
  transaction:
    "version:n chain:b8 shard:n issuer:b32 sequence:n anchor:n parents:l operation:l work:l maxFee:n",
  transfer: "tag:n recipient:b32 amount:n",
  work: "kind:n job:b32 generation:n worker:b32 results:l",
  effect: "transaction:b32 status:n fee:n workCounted:n changes:l figures:l",
  change: "account:b32 balance:n sequence:n stake:n",
  checkpoint:
    "version:n chain:b8 shard:n epoch:n committeeEpoch:n index:n previous:b32 leader:l timestampMs:n orderedTotal:n " +
    "orderedCount:n orderedRoot:b32 effectsRoot:b32 receiptsRoot:b32 received:l stateDigest:b32 accountsRoot:b32 " +
    "price:n difficulty:n supply:l models:l nextCommittee:l",
  leader: "round:n author:n digest:b32",
  supply: "genesis:n emitted:n burned:n balances:n stakes:n escrow:n fund:n inflow:i",
  model: "job:b32 generation:n weightsDigest:b32 score:i budget:n",
  certificate: "index:n digest:b32 signatures:l",
  signature: "author:n signature:b64",
  inclusion: "index:n size:n path:l",
  epochChain: "version:n ends:l",
  epochEnd: "checkpoint:l certificate:l",
  proof: "version:n transaction:b effect:b ordered:l effects:l checkpoint:l certificate:l",
};

function isOfType(value, type) {
  if (type === "n") return typeof value === "bigint" && value >= 0n;
  if (type === "i") return typeof value === "bigint";
  if (type === "l") return Array.isArray(value);
  return value instanceof Uint8Array && (type === "b" || value.length === Number(type.slice(1)));
}

/** The fields of a record by name; throws MalformedEncoding for other fields than it has. */
export function name(kind, values) {
  const fields = FIELDS[kind].split(" ").map((field) => field.split(":"));
  if (!Array.isArray(values) || values.length !== fields.length) {
    throw new MalformedEncoding(`a ${kind} has ${fields.length} fields`);
  }
  fields.forEach(([field, type], place) => {
    if (!isOfType(values[place], type)) throw new MalformedEncoding(`${field} of a ${kind} is of another type`);
  });
  return Object.fromEntries(fields.map(([field], place) => [field, values[place]]));
}

function demandAll(values, type, what) {
  if (!values.every((value) => isOfType(value, type))) throw new MalformedEncoding(`${what} are of another type`);
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
  demandAll(body.parents, "b32", "parents");
  const work = name("work", body.work);
  demandAll(work.results, "i", "results");
  const isTransfer = body.operation[0] === 1n;
  return {
    ...body,
    id: hash("tangle/tx", bytes),
    signed: envelope.body,
    signature: envelope.signature,
    size: bytes.length,
    transfer: isTransfer ? name("transfer", body.operation) : null,
    work,
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
    nextCommittee: checkpoint.nextCommittee.map((one) => name("validator", one)),
  };
}

/** A certificate from its decoded fields. */
export function readCertificate(values) {
  const certificate = name("certificate", values);
  return { ...certificate, signatures: certificate.signatures.map((part) => name("signature", part)) };
}

function readInclusion(values) {
  const inclusion = name("inclusion", values);
  demandAll(inclusion.path, "b32", "hashes of a path");
  return inclusion;
}

/** A proof; its transaction and effect are still bytes. */
export function readProof(bytes) {
  const proof = name("proof", decode(bytes));
  return {
    ...proof,
    ordered: readInclusion(proof.ordered),
    effects: readInclusion(proof.effects),
    checkpoint: readCheckpoint(proof.checkpoint),
    certificate: readCertificate(proof.certificate),
  };
}
