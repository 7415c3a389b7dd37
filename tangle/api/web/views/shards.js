// The shards of the chain, and where a key lives.

import { decodeAddress } from "../protocol/address.js";
import { computeShard } from "../protocol/proof.js";
import { card, el, facts, put, table } from "../parts/dom.js";
import { formatCount, formatTime } from "../parts/format.js";
import { checkpointLink, copyable } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get } from "../parts/node.js";
import { getGenesis } from "../parts/trust.js";
import { toHex } from "../protocol/bytes.js";

const PERIOD_MS = 2_000;

export async function show(main, _, signal) {
  const place = el("div");
  const genesis = await getGenesis();
  const answer = el("output", { for: "home" });
  const input = el("input", { id: "home", type: "text", spellcheck: "false", placeholder: `${genesis.prefix}1…`, "aria-label": "Address" });
  input.addEventListener("input", () => {
    const decoded = decodeAddress(input.value.trim());
    answer.textContent = decoded ? `lives in shard ${computeShard(decoded.publicKey, genesis.shardBits)}` : input.value ? "no address, or mistyped" : "";
  });
  put(
    main,
    el("h1", null, "Shards"),
    el("p", { class: "lead" }, `The chain has ${formatCount(1n << genesis.shardBits)} shard${genesis.shardBits ? "s" : ""}. The key of an account decides where it lives.`),
    card("All shards", place),
    card("Where an account lives", el("div", { class: "row" }, input, answer)),
    card(
      "The network",
      facts([
        ["Name", String.fromCharCode(...genesis.name)],
        ["Began", formatTime(genesis.timestampMs)],
        ["Chain", el("code", null, toHex(genesis.chain))],
        ["Genesis", copyable(toHex(genesis.digest))],
        ["Addresses begin with", el("code", null, `${genesis.prefix}1`)],
        ["Validators", formatCount(genesis.validators.length)],
      ]),
    ),
  );
  const look = async () => {
    const shards = await get("/v1/shards", signal);
    const rows = shards.map((one) => [
      el("strong", null, String(one.shard)),
      one.checkpoint === null ? "served by other nodes" : checkpointLink(one.checkpoint),
      one.ordered_total === null ? "–" : formatCount(one.ordered_total),
      el("code", { class: "digest" }, one.origin),
    ]);
    put(place, table(["Shard", "Checkpoint", "Transactions", "Origin"], rows, { label: "Shards" }));
  };
  await look();
  repeat(look, PERIOD_MS, signal);
}
