// A first transfer without a line of Python: Node's own ed25519, and the protocol as docs/protocol.md describes it.
//
//     node examples/transfer.mjs http://127.0.0.1:14265
//
// It makes a key, asks the development network's faucet for coins, sends some of them on, waits until that is
// final, and then checks the proof with the genesis alone. The modules that it imports are the ones that the
// node's web page loads: a second implementation of the protocol, in plain ES modules, free to be copied.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";

import { encodeAddress } from "../tangle/api/web/protocol/address.js";
import { toHex } from "../tangle/api/web/protocol/bytes.js";
import { verifyProof } from "../tangle/api/web/protocol/proof.js";
import { readGenesis } from "../tangle/api/web/protocol/records.js";
import { makeSigner } from "../tangle/api/web/protocol/signatures.js";
import { signTransfer } from "../tangle/api/web/protocol/transfer.js";

const node = process.argv[2] ?? "http://127.0.0.1:14265";
const GRAINS = 1_000_000_000n; // of one MST

async function ask(path, options = {}) {
  const response = await fetch(node + path, options);
  if (response.ok) return response;
  const problem = await response.json();
  throw new Error(`${problem.code}: ${problem.detail}`);
}

const read = async (path) => (await (await ask(path)).json()).data;
const readBytes = async (path) => new Uint8Array(await (await ask(path)).arrayBuffer());
const post = async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  return (await (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json()).data;
};

const genesis = readGenesis(await readBytes("/v1/genesis"));
const newKey = () => makeSigner(webcrypto.getRandomValues(new Uint8Array(32)));
const [alice, bob] = await Promise.all([newKey(), newKey()]);
const [from, to] = [alice, bob].map((one) => encodeAddress(genesis.prefix, one.publicKey));
console.log(`network  ${toHex(genesis.chain)}\nfrom     ${from}\nto       ${to}`);

const { id: gift } = await post("/v1/faucet", { account: from });
await read(`/v1/transactions/${gift}?wait=checkpointed&timeout_s=60`);

// The node picks parents and does the AI work; what is signed is built here.
const prepared = await post("/v1/prepare", { issuer: from, work: true });
const { bytes, id } = await signTransfer(prepared, to, 2n * GRAINS, alice);
const headers = { "Content-Type": "application/cbor" };
const sent = await ask("/v1/transactions?wait=checkpointed&timeout_s=60", { method: "POST", headers, body: bytes });
const { data: submitted } = await sent.json();
assert.equal(submitted.id, toHex(id), "the node computes the same id");
console.log(`sent     ${submitted.id}\nstatus   ${submitted.status}`);

const proof = await readBytes(`/v1/transactions/${submitted.id}/proof`);
const proven = await verifyProof(proof, genesis, ({ name, detail }) => console.log(`proof    ${name}: ${detail}`));
const credited = proven.effect.changes.find((change) => toHex(change.account) === toHex(bob.publicKey));
assert.equal(credited.balance, 2n * GRAINS);
console.log(`proven   ${to} holds ${credited.balance / GRAINS} MST at checkpoint ${proven.checkpoint.index}`);
