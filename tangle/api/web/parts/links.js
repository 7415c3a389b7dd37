// Names that lead to their pages, and the places of pages.

import { el } from "./dom.js";
import { formatAmount, formatCount, shorten } from "./format.js";

export const paths = {
  transaction: (id) => `#/transactions/${id}`,
  account: (address) => `#/accounts/${address}`,
  checkpoint: (index) => `#/checkpoints/${index}`,
  block: (round, author) => `#/blocks/${round}/${author}`,
  job: (job) => `#/learning/${job}`,
  paidJob: (job) => `#/jobs/${job}`,
  follow: (id) => `#/dag/${id}`,
};

const named = (href, text, full) => el("a", { class: "name", href, title: full ?? text }, text);

export const transactionLink = (id) => named(paths.transaction(id), shorten(id), id);
export const accountLink = (address) => named(paths.account(address), shorten(address, 9, 6), address);
export const checkpointLink = (index) => named(paths.checkpoint(index), formatCount(index));
export const blockLink = (round, author) => named(paths.block(round, author), `${formatCount(round)} · ${author}`);
export const jobLink = (job, text) => named(paths.job(job), text ?? shorten(job), job);
export const paidJobLink = (job) => named(paths.paidJob(job), shorten(job), job);

/** Where a paid job stands. */
export const jobMark = (job) => el("span", { class: job.is_live ? "tag accent" : "tag" }, job.phase.replaceAll("-", " "));

/** An amount with its unit; grains stay readable in the title. */
export const amount = (grains) =>
  el("span", { class: "amount", title: `${formatCount(grains)} grains` }, formatAmount(grains), el("small", null, " MST"));

/** A long value that can be copied with one press. */
export function copyable(text) {
  const button = el("button", { type: "button", class: "copy", "aria-label": "Copy" }, "copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
    setTimeout(() => (button.textContent = "copy"), 1_200);
  });
  return el("span", { class: "value" }, el("code", null, text), navigator.clipboard ? button : null);
}

/** What a transaction's status means, in words. */
export const MEANINGS = {
  waiting: "a parent or its anchor is not here yet",
  attached: "verified and in the graph, not ordered yet",
  ordered: "ordered and executed, not certified yet",
  checkpointed: "applied under a certified checkpoint, for good",
  conflicting: "ordered, and not applied",
  expired: "never ordered in time",
};

/** A transaction's status as a mark with its name. */
export const statusMark = (status) =>
  el("span", { class: "status", "data-status": status, title: MEANINGS[status] }, status === "checkpointed" ? "final" : status);
