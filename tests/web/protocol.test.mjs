// The page's reading of the protocol against published vectors, run by Node's own test runner.
//
// `tests/web/test_logic.py` starts it. What is tested is what the page loads: the files of tangle/api/web.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decodeAddress, decodeBech32m, encodeAddress } from "../../tangle/api/web/protocol/address.js";
import { blake2b } from "../../tangle/api/web/protocol/blake2b.js";
import { ascii, fromHex, isEqual, toHex } from "../../tangle/api/web/protocol/bytes.js";
import { decode, encode, MalformedEncoding } from "../../tangle/api/web/protocol/cbor.js";
import { computeRoot, hash, isIncluded } from "../../tangle/api/web/protocol/hashing.js";
import { followEpochs, readEpochEnds } from "../../tangle/api/web/protocol/epochs.js";
import { Refused } from "../../tangle/api/web/protocol/certificate.js";
import { computeShard, verifyProof } from "../../tangle/api/web/protocol/proof.js";
import { readGenesis, readTransaction } from "../../tangle/api/web/protocol/records.js";
import { isSigned, makeMessage, makeSigner } from "../../tangle/api/web/protocol/signatures.js";

/** A vector file; integers above 2^53 become BigInt. */
function load(name) {
  const text = readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8");
  const exact = text.replace(/(?<=[:[,\s])(-?\d{16,})(?=[,\]}\s])/g, '{"big": "$1"}');
  return JSON.parse(exact, (_, value) => (typeof value?.big === "string" ? BigInt(value.big) : value));
}

const fromVector = (value) => {
  if (Array.isArray(value)) return value.map(fromVector);
  return value?.bytes === undefined ? value : fromHex(value.bytes);
};
const asBig = (value) => {
  if (Array.isArray(value)) return value.map(asBig);
  return value instanceof Uint8Array ? value : BigInt(value);
};

test("BLAKE2b-512 of abc: RFC 7693 appendix A", () => {
  assert.equal(
    toHex(blake2b(ascii("abc"), { size: 64 })),
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1" +
      "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
  );
});

test("BLAKE2b: the self-test of RFC 7693 appendix E, over sizes, keys and lengths", () => {
  const sequence = (length, seed) => {
    let a = Math.imul(0xdead4bad, seed) >>> 0;
    let b = 1;
    return Uint8Array.from({ length }, () => {
      const sum = (a + b) >>> 0;
      a = b;
      b = sum;
      return sum >>> 24;
    });
  };
  const parts = [];
  for (const size of [20, 32, 48, 64]) {
    for (const length of [0, 3, 128, 129, 255, 1024]) {
      const data = sequence(length, length);
      parts.push(...blake2b(data, { size }), ...blake2b(data, { size, key: sequence(size, size) }));
    }
  }
  assert.equal(
    toHex(blake2b(Uint8Array.from(parts))),
    "c23a7800d98123bd10f506c61e29da5603d763b8bbad2e737f5e765a7bccd475",
  );
});

test("BLAKE2b refuses parameters out of range", () => {
  for (const options of [{ size: 0 }, { size: 65 }, { key: new Uint8Array(65) }, { person: new Uint8Array(17) }]) {
    assert.throws(() => blake2b(new Uint8Array(), options), RangeError);
  }
});

test("hashes with a purpose", () => {
  const { hashes, home_shards: homes } = load("core/hashing.json");
  assert.ok(hashes.length > 20);
  for (const { purpose, data, digest } of hashes) assert.equal(toHex(hash(purpose, fromHex(data))), digest);
  assert.ok(homes.length > 0);
});

test("canonical CBOR: every value has the encoding of the vectors, and comes back", () => {
  for (const { value, encoded } of load("core/encoding.json").values) {
    const plain = fromVector(value);
    assert.equal(toHex(encode(plain)), encoded);
    assert.deepEqual(decode(fromHex(encoded)), asBig(plain));
  }
});

test("CBOR that is not canonical is refused", () => {
  const others = {
    "a longer head": ["1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "5801ff", "980100"],
    "another type": ["60", "a0", "c000", "f4", "f5", "f6", "f90000", "fb0000000000000000"],
    "an indefinite length": ["5fff", "9fff", "1f", "3f"],
    "reserved codes": ["1c", "1d", "1e"],
    "too short": ["", "18", "41", "5affffffff", "81", "9affffffff", "1b00"],
    "left over": ["0000", "8000"],
    "over 64 bits": ["1bffffffffffffffff", "3bffffffffffffffff", "1b8000000000000000"],
    "too deep": ["81".repeat(9) + "00"],
  };
  for (const [why, encodings] of Object.entries(others)) {
    for (const encoded of encodings) {
      assert.throws(() => decode(fromHex(encoded)), MalformedEncoding, `${why}: ${encoded}`);
    }
  }
  assert.throws(() => encode(2 ** 53), RangeError);
  assert.throws(() => encode(2n ** 63n), RangeError);
  assert.throws(() => encode(-(2n ** 63n) - 1n), RangeError);
});

test("Merkle roots and inclusion, and no inclusion of anything else", () => {
  const { leaves, roots, proofs } = load("core/merkle.json");
  const all = leaves.map(fromHex);
  roots.forEach((root, count) => assert.equal(toHex(computeRoot(all.slice(0, count))), root));
  for (const { size, index, path } of proofs) {
    const hashes = path.map(fromHex);
    const root = fromHex(roots[size]);
    const [place, count] = [BigInt(index), BigInt(size)];
    assert.ok(isIncluded(all[index], place, count, hashes, root));
    assert.ok(!isIncluded(ascii("another leaf"), place, count, hashes, root));
    assert.ok(!isIncluded(all[index], place, count, [...hashes, root], root), "too long");
    assert.ok(!isIncluded(all[index], count, count, hashes, root), "outside");
    if (hashes.length) assert.ok(!isIncluded(all[index], place, count, hashes.slice(1), root), "too short");
  }
});

test("Ed25519: RFC 8032 section 7.1, and what the protocol refuses", async () => {
  const { rfc8032, messages, low_order_keys: low, refused } = load("core/signing.json");
  for (const { seed, public_key: key, message, signature } of rfc8032) {
    const signer = await makeSigner(fromHex(seed));
    assert.equal(toHex(signer.publicKey), key);
    assert.equal(toHex(await signer.sign(fromHex(message))), signature);
    assert.ok(await isSigned(fromHex(message), fromHex(signature), fromHex(key)));
  }
  for (const { public_key: key, purpose, chain, body, message, signature } of messages) {
    const built = makeMessage(purpose, fromHex(chain), fromHex(body));
    assert.equal(toHex(built), message);
    assert.ok(await isSigned(built, fromHex(signature), fromHex(key)));
  }
  const lowMessage = (body) => makeMessage(low.purpose, fromHex(low.chain), fromHex(body));
  for (const { public_key: key, body, signature } of low.keys) {
    assert.ok(!(await isSigned(lowMessage(body), fromHex(signature), fromHex(key))), key);
  }
  const message = makeMessage(refused.purpose, fromHex(refused.chain), fromHex(refused.body));
  for (const { name, public_key: key, signature } of refused.cases) {
    assert.ok(!(await isSigned(message, fromHex(signature), fromHex(key))), name);
  }
  assert.ok(!(await isSigned(message, new Uint8Array(63), fromHex(rfc8032[0].public_key))));
});

test("addresses: BIP-350 vectors, and a key there and back", () => {
  const { valid, invalid } = load("bip350.json");
  for (const text of valid) assert.ok(decodeBech32m(text), text);
  for (const { text, why } of invalid) assert.equal(decodeBech32m(text), null, why);
  const key = Uint8Array.from({ length: 32 }, (_, place) => 7 * place);
  const address = encodeAddress("dmst", key);
  assert.deepEqual(decodeAddress(address), { prefix: "dmst", publicKey: key });
  assert.deepEqual(decodeAddress(address.toUpperCase()).publicKey, key);
  const mistyped = address.replace(/.$/, (last) => (last === "q" ? "p" : "q"));
  assert.equal(decodeAddress(mistyped), null);
  assert.equal(decodeAddress("A1LQFN3A"), null, "bech32m, but no key in it");
});

test("transactions have the ids of the vectors", () => {
  const { accepted } = load("core/transactions.json");
  for (const { encoded, id } of accepted) assert.equal(toHex(readTransaction(fromHex(encoded)).id), id);
});

test("the home shard", () => {
  const { home_shards: homes } = load("core/hashing.json");
  for (const { public_key: key, key: other, shards, bits, shard } of homes) {
    const account = fromHex(key ?? other);
    if (shards) shards.forEach((home, count) => assert.equal(Number(computeShard(account, BigInt(count))), home));
    else assert.equal(Number(computeShard(account, BigInt(bits))), shard);
  }
});

const vector = load("proofs/transfer.json");
const proof = fromHex(vector.proof);
const genesis = readGenesis(fromHex(vector.genesis));

test("a real proof holds, and says what it proves", async () => {
  assert.equal(toHex(genesis.chain), vector.chain);
  const steps = [];
  const proven = await verifyProof(proof, genesis, [], (step) => steps.push(step.name));
  assert.deepEqual(steps, ["encoding", "network", "certificate", "signature", "order", "effect"]);
  assert.equal(toHex(proven.transaction.id), vector.transaction);
  assert.equal(Number(proven.effect.status), vector.status);
  assert.equal(Number(proven.effect.fee), Number(vector.fee));
  assert.equal(Number(proven.effect.workCounted), Number(vector.work_counted));
  const changes = proven.effect.changes.map((one) => [toHex(one.account), one.balance, one.sequence, one.stake]);
  assert.deepEqual(
    changes,
    vector.changes.map((one) => {
      const [account, ...figures] = Array.isArray(one) ? one : Object.values(one);
      return [account, ...figures.map(BigInt)];
    }),
  );
});

test("a proof with any one bit changed is refused, by name", async () => {
  for (let place = 0; place < proof.length; place += 1) {
    const bit = place % 8;
    for (const mask of new Set([1 << bit, 0x20 << (place % 3), 0xff])) {
      const changed = proof.slice();
      changed[place] ^= mask;
      await assert.rejects(
        verifyProof(changed, genesis),
        (error) => error instanceof Refused || error instanceof MalformedEncoding,
        `byte ${place} xor ${mask}`,
      );
    }
  }
});

test("a proof of another network is refused", async () => {
  const other = { ...genesis, chain: Uint8Array.from({ length: 8 }, () => 1) };
  await assert.rejects(verifyProof(proof, other), { code: "chain-wrong" });
  const fewer = { ...genesis, validators: genesis.validators.map((one) => ({ ...one, weight: 1n })) };
  const heavy = { ...fewer, validators: [{ ...fewer.validators[0], weight: 1000n }, ...fewer.validators.slice(1)] };
  const missing = { ...heavy, validators: [...heavy.validators].reverse() };
  await assert.rejects(verifyProof(proof, missing), Refused);
  assert.ok(isEqual(genesis.digest.slice(0, 8), genesis.chain));
});

const epochs = load("committee/epochs.json");
const readCommittee = (members) =>
  members.map(([publicKey, weight]) => ({ publicKey: fromHex(publicKey), weight: BigInt(weight) }));
const founded = { chain: fromHex(epochs.chain), validators: readCommittee(epochs.committee) };

test("ends of epochs lead from committee to committee", async () => {
  const followed = await followEpochs(founded, readEpochEnds(fromHex(epochs.ends)));
  assert.deepEqual(
    followed.map(({ epoch, validators }) => [
      Number(epoch),
      validators.map((one) => [toHex(one.publicKey), Number(one.weight)]),
    ]),
    epochs.committees,
  );
});

test("an end of an epoch that is missing, forged or of another network is refused", async () => {
  const ends = readEpochEnds(fromHex(epochs.ends));
  await assert.rejects(followEpochs(founded, ends.slice(1)), { code: "epoch-chain-broken" });
  await assert.rejects(followEpochs({ ...founded, chain: genesis.chain }, ends), { code: "chain-wrong" });
  const elected = ends[1].checkpoint.nextCommittee;
  const usurped = { ...ends[1], checkpoint: { ...ends[1].checkpoint, nextCommittee: elected.slice(1) } };
  await assert.rejects(followEpochs(founded, [ends[0], usurped, ends[2]]), Refused);
  const others = { ...founded, validators: readCommittee(epochs.committees[2][1]) };
  await assert.rejects(followEpochs(others, ends), Refused);
});
