// From the genesis's committee to later ones, by the ends of epochs (docs/protocol.md 5.16).

import { isEqual } from "./bytes.js";
import { decode, MalformedEncoding } from "./cbor.js";
import { demand, verifyCertificate } from "./certificate.js";
import { name, readCertificate, readCheckpoint } from "./records.js";

/** Ends of epochs, read from a file of them. */
export function readEpochEnds(bytes) {
  const chain = name("epochChain", decode(bytes));
  if (chain.version !== 1n) throw new MalformedEncoding("a chain of epochs of another version");
  return chain.ends.map((values) => {
    const end = name("epochEnd", values);
    return { checkpoint: readCheckpoint(end.checkpoint), certificate: readCertificate(end.certificate) };
  });
}

/** The committee of epoch 0. */
export const makeGenesisCommittee = (genesis) => ({ epoch: 0n, validators: genesis.validators });

/**
 * The committees from that of the genesis to that after the last end, in order.
 *
 * @throws {Refused} the first end that does not hold.
 */
export async function followEpochs(genesis, ends) {
  const committees = [makeGenesisCommittee(genesis)];
  for (const { checkpoint, certificate } of ends) {
    const committee = committees.at(-1);
    demand(checkpoint.version === 1n, "version-unsupported", "a version other than 1");
    demand(isEqual(checkpoint.chain, genesis.chain), "chain-wrong", "an epoch of another network");
    const isNext =
      checkpoint.shard === 0n && checkpoint.committeeEpoch === committee.epoch && checkpoint.epoch > committee.epoch;
    demand(isNext, "epoch-chain-broken", `epoch ${committee.epoch} does not end so`);
    await verifyCertificate(certificate, checkpoint, committee.validators, genesis.chain);
    const { nextCommittee } = checkpoint;
    const validators = nextCommittee.length ? nextCommittee : committee.validators;
    committees.push({ epoch: checkpoint.epoch, validators });
  }
  return committees;
}

/** The committee that signs a checkpoint. Throws {Refused} when the ends do not lead to it. */
export async function findCommittee(genesis, ends, checkpoint) {
  const committees = await followEpochs(genesis, ends);
  const committee = committees.find((one) => one.epoch === checkpoint.committeeEpoch);
  demand(committee, "epoch-unknown", `nobody told of the committee of epoch ${checkpoint.committeeEpoch}`);
  return committee;
}

/**
 * Check that a quorum of the committee of its epoch signed a checkpoint.
 *
 * @returns what `verifyCertificate` does, and the committee's validators.
 * @throws {Refused}
 */
export async function verifyCheckpoint(certificate, checkpoint, genesis, ends) {
  const { validators } = await findCommittee(genesis, ends, checkpoint);
  return { ...await verifyCertificate(certificate, checkpoint, validators, genesis.chain), validators };
}
