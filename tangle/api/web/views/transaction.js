// One transaction: what it is, what became of it, what it stands on, and its proof, checked here.

import { card, el, facts, put } from "../parts/dom.js";
import { formatCount } from "../parts/format.js";
import { accountLink, amount, checkpointLink, copyable, jobLink, MEANINGS, paidJobLink, paths, statusMark } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get } from "../parts/node.js";
import { makeNeighbourhood } from "../parts/neighbourhood.js";
import { makeProofCard } from "../parts/proof_card.js";

const STAGES = ["attached", "ordered", "final"];
const PERIOD_MS = 500;

export async function show(main, { id }, signal) {
  let transaction = await get(`/v1/transactions/${id}`, signal);
  const stages = el("ol", { class: "stages", "aria-label": "How far it has come" });
  const about = el("div");
  const proof = el("div");
  let isProofShown = false;
  const showProof = () => {
    if (isProofShown) return;
    isProofShown = transaction.is_final;
    if (isProofShown && transaction.checkpoint) put(proof, makeProofCard(transaction, signal));
    else put(proof, card("Proof", el("p", { class: "muted" }, "There is a proof once a transaction is ordered and final.")));
  };
  const update = () => {
    put(stages, makeStages(transaction));
    put(about, makeFacts(transaction));
    showProof();
  };
  put(
    main,
    el("h1", null, "Transaction"),
    el("p", { class: "long-id" }, copyable(transaction.id)),
    stages,
    el("div", { class: "columns" }, card("What it does", about), proof),
    card("Around it", makeNeighbourhood(id, signal)),
  );
  update();
  if (!transaction.is_final) {
    const waiting = new AbortController();
    repeat(async () => {
      transaction = await get(`/v1/transactions/${id}`, signal);
      update();
      if (transaction.is_final) waiting.abort();
    }, PERIOD_MS, AbortSignal.any([signal, waiting.signal]));
  }
}

function makeStages(transaction) {
  const { status } = transaction;
  const reached = transaction.is_final ? 3 : { waiting: 0, attached: 1, ordered: 2, conflicting: 2, expired: 0, checkpointed: 3 }[status];
  const isFault = status === "conflicting" || status === "expired";
  const steps = STAGES.map((name, place) =>
    el("li", { "data-reached": place < reached, "aria-current": place === reached - 1 ? "step" : null }, name),
  );
  const verdict = el("li", { class: "verdict" }, isFault ? statusMark(status) : null, el("span", { class: isFault ? "" : "muted" }, transaction.reason ?? MEANINGS[status]));
  return [...steps, verdict];
}

function makeFacts(transaction) {
  const { operation, work } = transaction;
  const isTransfer = operation.kind === "transfer";
  return facts([
    ["From", accountLink(transaction.issuer)],
    isTransfer && ["To", accountLink(operation.recipient)],
    isTransfer ? ["Amount", amount(operation.amount)] : ["Asks the market", operation.text ?? operation.kind],
    operation.job && ["Job", paidJobLink(operation.job)],
    ["Fee", transaction.fee === null ? ["at most ", amount(transaction.max_fee)] : amount(transaction.fee)],
    ["Checkpoint", transaction.checkpoint === null ? "not ordered yet" : [checkpointLink(transaction.checkpoint), transaction.is_final ? ", certified" : ", not certified yet"]],
    ["Place in history", transaction.ordered_index && formatCount(transaction.ordered_index)],
    ["Sequence", formatCount(transaction.sequence)],
    ["Anchor", ["checkpoint ", checkpointLink(transaction.anchor)]],
    ["AI work", [jobLink(work.job), `, generation ${formatCount(work.generation)}: d = ${work.results.join(", ")}`]],
    ["Work paid to", [accountLink(work.worker), transaction.is_work_counted === null ? "" : transaction.is_work_counted ? ", counted" : ", not counted"]],
    ["Reason", transaction.reason && [transaction.reason, " (", el("code", null, transaction.reason_code), ")"]],
    ["Graph", el("a", { href: paths.follow(transaction.id) }, "follow it in the graph")],
  ]);
}
