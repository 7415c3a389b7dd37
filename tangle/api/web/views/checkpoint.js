// One checkpoint: its signatures checked here, what it ordered, and where all grains are after it.

import { toHex } from "../protocol/bytes.js";
import { decode } from "../protocol/cbor.js";
import { verifyCheckpoint } from "../protocol/epochs.js";
import { readCertificate, readCheckpoint } from "../protocol/records.js";
import { hasWebCrypto } from "../protocol/signatures.js";
import { card, draw, el, facts, put } from "../parts/dom.js";
import { formatCount, formatDuration, formatShare, formatTime } from "../parts/format.js";
import { amount, blockLink, checkpointLink, jobLink, paths } from "../parts/links.js";
import { get, getBytes } from "../parts/node.js";
import { makePager } from "../parts/pager.js";
import { transactionTable } from "../parts/rows.js";
import { getEpochEnds, getGenesis } from "../parts/trust.js";
import { getShard } from "./checkpoints.js";

const SUPPLY = [
  ["balances", "in accounts"],
  ["stakes", "staked"],
  ["escrow", "held for jobs"],
  ["fund", "in the fund"],
];

export async function show(main, { index }, signal) {
  const shard = await getShard(signal);
  const path = `/v1/checkpoints/${shard}/${index}`;
  const checkpoint = await get(path, signal);
  const verdict = el("p", { class: "proof-verdict", role: "status" }, "Checking…");
  const signers = el("div");
  const number = BigInt(checkpoint.index);
  put(
    main,
    el("h1", null, `Checkpoint ${formatCount(checkpoint.index)}`),
    el(
      "p",
      { class: "row" },
      number > 0n ? el("a", { class: "button", href: paths.checkpoint(number - 1n) }, "← before") : null,
      el("a", { class: "button", href: paths.checkpoint(number + 1n) }, "after →"),
    ),
    el("div", { class: "columns" }, card("What it says", makeFacts(checkpoint)), el("div", null, card("Certificate, checked here", verdict, signers), card("Where all grains are", makeSupply(checkpoint.supply)))),
    card("What it ordered", makePager(`${path}/transactions?limit=25`, (items) => transactionTable(items, { empty: "Nothing: it only marks the time." }), signal)),
  );
  check(path, verdict, signers, signal);
}

function makeFacts(checkpoint) {
  const digest = (text) => el("code", { class: "digest" }, text);
  const { leader } = checkpoint;
  return facts([
    ["Time", formatTime(checkpoint.timestamp_ms)],
    ["Leader's block", leader.round === "0" ? "none" : blockLink(leader.round, leader.author)],
    ["Ordered", `${formatCount(checkpoint.ordered_count)} here, ${formatCount(checkpoint.ordered_total)} in all`],
    ["Price after it", `${formatCount(checkpoint.price)} grains per weight, ${checkpoint.difficulty} evaluation(s)`],
    ["Models", checkpoint.models.map((model) => el("div", null, jobLink(model.job), `: generation ${formatCount(model.generation)}, score ${model.score}`))],
    ["Epoch", formatCount(checkpoint.epoch)],
    ["Digest", digest(checkpoint.digest)],
    ["Before it", checkpoint.index !== "0" && [checkpointLink(BigInt(checkpoint.index) - 1n), el("br"), digest(checkpoint.previous)]],
    ["Ids' root", digest(checkpoint.ordered_root)],
    ["Effects' root", digest(checkpoint.effects_root)],
    ["State", digest(checkpoint.state_digest)],
  ]);
}

function makeSupply(supply) {
  const whole = SUPPLY.reduce((sum, [name]) => sum + BigInt(supply[name]), 0n);
  let at = 0;
  const parts = SUPPLY.filter(([name]) => supply[name] !== "0").map(([name, words]) => {
    const share = Number((BigInt(supply[name]) * 1_000_000n) / (whole || 1n)) / 1_000_000;
    const bar = draw("rect", { class: `part ${name}`, x: 100 * at, y: 0, width: 100 * Math.max(0.004, share), height: 8 }, draw("title", null, words));
    at += share;
    return { bar, row: [words, [amount(supply[name]), ` (${formatShare(share, 1)})`]] };
  });
  return el(
    "div",
    null,
    draw("svg", { class: "supply", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, parts.map((part) => part.bar)),
    facts([...parts.map((part) => part.row), ["issued for AI work", amount(supply.emitted)], ["burned", amount(supply.burned)]]),
  );
}

async function check(path, verdict, signers, signal) {
  if (!hasWebCrypto()) {
    verdict.textContent = "This browser checks signatures on https and localhost pages only.";
    return;
  }
  const begun = performance.now();
  try {
    const genesis = await getGenesis();
    const [values, certificates] = decode(await getBytes(path, "application/cbor", signal));
    const checkpoint = readCheckpoint(values);
    if (certificates.length === 0) {
      verdict.textContent = checkpoint.index === 0n ? "The first one follows from the genesis and needs no signatures." : "Signatures are still being collected.";
      return;
    }
    const { authors, weight, quorum, total, validators } = await verifyCheckpoint(readCertificate(certificates[0]), checkpoint, genesis, await getEpochEnds());
    verdict.classList.add("good");
    verdict.textContent = `Certified: weight ${weight} of ${total}, quorum ${quorum}. Checked in ${formatDuration(performance.now() - begun)}.`;
    put(signers, el("ul", { class: "signers" }, validators.map((one, place) => el("li", { "data-signed": authors.includes(place) }, `${place} `, el("code", null, toHex(one.publicKey).slice(0, 10))))));
  } catch (error) {
    if (signal.aborted) return;
    verdict.classList.add("bad");
    verdict.textContent = `Refused: ${error.message}`;
  }
}
