// Verifying a certificate (docs/protocol.md 5.13).

import { isEqual } from "./bytes.js";
import { encode } from "./cbor.js";
import { isSigned, makeMessage } from "./signatures.js";

/** Something that the protocol refuses; `code` is one of docs/protocol.md. */
export class Refused extends Error {
  name = "Refused";

  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Refuse unless something holds. */
export function demand(holds, code, message) {
  if (!holds) throw new Refused(code, message);
}

/** Weight that certifies: more than two thirds of all. */
export function computeQuorum(validators) {
  const total = validators.reduce((sum, one) => sum + one.weight, 0n);
  return { total, quorum: (2n * total) / 3n + 1n };
}

/**
 * Check that a quorum of the committee signed a checkpoint.
 *
 * @returns the weight, the quorum, and the validators that signed.
 * @throws {Refused}
 */
export async function verifyCertificate(certificate, checkpoint, validators, chain) {
  demand(
    certificate.index === checkpoint.index && isEqual(certificate.digest, checkpoint.digest),
    "proof-invalid",
    "the certificate is for another checkpoint",
  );
  let weight = 0n;
  let before = -1n;
  for (const { author } of certificate.signatures) {
    const isNext = author > before && author < BigInt(validators.length);
    demand(isNext, "certificate-invalid", "a validator is unknown, repeated or out of order");
    before = author;
    weight += validators[Number(author)].weight;
  }
  const { total, quorum } = computeQuorum(validators);
  demand(weight >= quorum, "certificate-invalid", `the weight ${weight} is below the quorum ${quorum}`);
  const body = encode([checkpoint.shard, checkpoint.index, checkpoint.digest]);
  const message = makeMessage("tangle/attest", chain, body);
  for (const { author, signature } of certificate.signatures) {
    const { publicKey } = validators[Number(author)];
    const holds = await isSigned(message, signature, publicKey);
    demand(holds, "signature-invalid", `the signature of validator ${author} does not hold`);
  }
  return { weight, quorum, total, authors: certificate.signatures.map((part) => Number(part.author)) };
}
