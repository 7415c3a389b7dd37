// What a validator signed for a round.

import { card, el, facts, put } from "../parts/dom.js";
import { formatBytes, formatCount, formatTime } from "../parts/format.js";
import { blockLink, checkpointLink, copyable, transactionLink } from "../parts/links.js";
import { get } from "../parts/node.js";
import { getShard } from "./checkpoints.js";

export async function show(main, { round, author }, signal) {
  const shard = await getShard(signal);
  const blocks = await get(`/v1/blocks/${round}/${author}?shard=${shard}`, signal);
  put(
    main,
    el("h1", null, `Round ${formatCount(round)}, validator ${author}`),
    blocks.length > 1 ? el("p", { class: "bad" }, `It signed ${blocks.length} blocks for this round, which no honest validator does.`) : null,
    blocks.map((block) => [
      card(
        "Block",
        facts([
          ["Digest", copyable(block.digest)],
          ["Author's clock", formatTime(block.timestamp_ms)],
          ["Size", formatBytes(block.size)],
          ["Epoch", block.epoch],
          ["Stands on", el("div", { class: "names" }, block.ancestors.map((one) => (one.round === "0" ? el("span", null, `origin · ${one.author}`) : blockLink(one.round, one.author))))],
          ["Attests", block.attestations.length ? el("div", { class: "names" }, block.attestations.map((one) => checkpointLink(one.index))) : "nothing"],
        ]),
      ),
      card(`Names ${block.tips.length} transactions`, block.tips.length ? el("div", { class: "names" }, block.tips.map(transactionLink)) : el("p", { class: "muted" }, "None: it only votes.")),
    ]),
  );
}
