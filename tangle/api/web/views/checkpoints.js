// The checkpoints of the shard that this node serves, newest first.

import { card, el, put } from "../parts/dom.js";
import { live } from "../parts/live.js";
import { get } from "../parts/node.js";
import { makePager } from "../parts/pager.js";
import { checkpointTable } from "../parts/rows.js";

/** The shard that this node serves: the one whose figures it has. */
export async function getShard(signal) {
  const shards = await get("/v1/shards", signal);
  return shards.find((one) => one.checkpoint !== null).shard;
}

export async function show(main, _, signal) {
  const shard = await getShard(signal);
  const place = el("div");
  const refresh = el("button", { type: "button" }, "Newest");
  const load = () => put(place, makePager(`/v1/checkpoints/${shard}?limit=25`, checkpointTable, signal));
  refresh.addEventListener("click", load);
  let shown = null;
  live.follow(() => {
    const latest = live.status.checkpoint_certified;
    shown ??= latest;
    refresh.textContent = latest === shown ? "Newest" : `${Number(latest) - Number(shown)} newer: show`;
  }, signal);
  refresh.addEventListener("click", () => (shown = live.status.checkpoint_certified));
  put(
    main,
    el("h1", null, "Checkpoints"),
    el("p", { class: "lead" }, "What the committee signed, one after the other: each names the one before, what it ordered, what came of it, and the state after it."),
    card(`Shard ${shard}`, el("div", { class: "row" }, refresh), place),
  );
  load();
}
