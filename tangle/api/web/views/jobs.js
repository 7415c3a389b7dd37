// The job market: what is asked for and offered now, and every job, newest first.

import { card, el, facts, put, table } from "../parts/dom.js";
import { formatCount, formatDuration } from "../parts/format.js";
import { accountLink, amount, checkpointLink, jobMark, paidJobLink } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get } from "../parts/node.js";
import { makePager } from "../parts/pager.js";

const PERIOD_MS = 2_000;

export async function show(main, _, signal) {
  const figures = el("div");
  const workers = el("div");
  const place = el("div");
  const refresh = el("button", { type: "button" }, "Newest");
  const load = () => put(place, makePager("/v1/jobs?limit=25", jobTable, signal));
  refresh.addEventListener("click", load);
  put(
    main,
    el("h1", null, "Jobs"),
    el("p", { class: "lead" }, "Work that somebody pays for: inference, transformation, optimisation and training. Workers put up bonds, results wait for a challenge, and the ledger holds the money meanwhile."),
    el("div", { class: "columns" }, card("The market now", figures), card("Workers", workers)),
    card("All jobs", el("div", { class: "row" }, refresh), place),
  );
  load();
  const look = async () => {
    const [market, offered] = await Promise.all([get("/v1/market", signal), get("/v1/workers", signal)]);
    put(figures, makeFigures(market));
    put(workers, workerTable(offered));
  };
  await look();
  repeat(look, PERIOD_MS, signal);
}

function makeFigures(market) {
  return facts([
    ...market.prices.map(({ kind, unit_price: price }) => [kind, `${formatCount(price)} grains a unit`]),
    ["Live jobs", `${formatCount(market.live_jobs)}, ${formatCount(market.opened_jobs)} since the beginning`],
    ["Programs", formatCount(market.programs)],
    ["Held", amount(market.held)],
    ["Challenge window", formatDuration(Number(market.rules.challenge_window_ms))],
    ["Read at", ["checkpoint ", checkpointLink(market.checkpoint)]],
  ]);
}

function workerTable(workers) {
  return table(
    ["Worker", "Takes", "In hand", "Bond"],
    workers.map((one) => [accountLink(one.worker), one.kinds.join(", "), `${one.used} of ${one.slots}${one.is_retiring ? ", retiring" : ""}`, amount(one.bond)]),
    { empty: "Nobody has announced to work.", label: "Workers" },
  );
}

function jobTable(jobs) {
  return table(
    ["Job", "Kind", "Where it stands", "Customer", "Worker", "Price"],
    jobs.map((job) => [paidJobLink(job.id), job.kind, jobMark(job), accountLink(job.customer), job.worker ? accountLink(job.worker) : "–", amount(job.price)]),
    { empty: "Nobody has asked for anything yet.", label: "Jobs" },
  );
}
