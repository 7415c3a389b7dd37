// One paid job: where it stands, what happened to it and why, and where its money is.

import { card, el, facts, put, table } from "../parts/dom.js";
import { formatCount, formatTime } from "../parts/format.js";
import { accountLink, amount, checkpointLink, copyable, jobLink, jobMark } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get } from "../parts/node.js";

const PERIOD_MS = 1_000;

export async function show(main, { job: id }, signal) {
  const [state, about, story, money] = [el("p", { class: "row" }), el("div"), el("div"), el("div")];
  const look = async () => {
    const path = `/v1/jobs/${encodeURIComponent(id)}`;
    const [job, explained] = await Promise.all([get(path, signal), get(`${path}/explain`, signal)]);
    put(state, jobMark(job), el("span", null, explained.summary));
    put(about, makeFacts(job));
    put(story, table(["When", "Checkpoint", "What"], explained.lines.map((line) => [formatTime(line.timestamp_ms), checkpointLink(line.checkpoint), el("span", { class: "wraps" }, line.text)]), { label: "What happened" }));
    put(money, el("ul", null, explained.money.map((line) => el("li", null, line))), explained.outlook ? el("p", { class: "muted" }, explained.outlook) : null);
    return job;
  };
  const waiting = new AbortController();
  const job = await look();
  put(
    main,
    el("h1", null, `Job: ${job.kind}`),
    el("p", { class: "long-id" }, copyable(job.id)),
    state,
    el("div", { class: "columns" }, card("What is asked for", about), card("Where the money is", money)),
    card("What happened, and why", story),
  );
  if (!job.is_live) return;
  repeat(async () => (await look()).is_live || waiting.abort(), PERIOD_MS, AbortSignal.any([signal, waiting.signal]));
}

function makeFacts(job) {
  const { task, claim, best } = job;
  return facts([
    ["Customer", accountLink(job.customer)],
    ["Worker", job.worker && accountLink(job.worker)],
    ["Failed before", job.failed_workers.length > 0 && job.failed_workers.map((one) => [accountLink(one), " "])],
    ["Program", task.program && [el("code", { class: "digest" }, task.program), `, ${formatCount(task.rows)} rows, level ${task.level}`]],
    ["Problem", task.problem_kind && `${task.problem_kind}, ${formatCount(task.parts)} parts`],
    ["Training", task.standing_job && [jobLink(task.standing_job), `, ${formatCount(job.closed_generations)} of ${formatCount(task.generations)} generations paid`]],
    ["Size", `${formatCount(job.units)} units at ${formatCount(job.unit_price)} grains`],
    ["Price", amount(job.price)],
    ["Held", amount(job.escrow)],
    ["Given back", job.refunded && amount(job.refunded)],
    ["Deadline", formatTime(job.deadline_ms)],
    ["Result", claim && [el("code", { class: "digest" }, claim.root), ` approved by ${claim.approved_by.length}, rejected by ${claim.rejected_by.length}`]],
    ["Disputed by", job.challenger && accountLink(job.challenger)],
    ["Best answer", best && [`${formatCount(best.value)} by `, accountLink(best.worker)]],
  ]);
}
