// One account: what the node says that it holds, and the newest of its transactions whose effect is proven here.

import { toHex } from "../protocol/bytes.js";
import { verifyProof } from "../protocol/proof.js";
import { hasWebCrypto } from "../protocol/signatures.js";
import { card, el, facts, put, table } from "../parts/dom.js";
import { formatAmount, formatCount, formatDuration, formatTime } from "../parts/format.js";
import { amount, checkpointLink, copyable, jobLink, transactionLink } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get, getBytes } from "../parts/node.js";
import { makePager } from "../parts/pager.js";
import { transactionTable } from "../parts/rows.js";
import { getEpochEnds, getGenesis } from "../parts/trust.js";

const PERIOD_MS = 2_000;
const TRIED_MAX = 20;

export async function show(main, { address }, signal) {
  const path = `/v1/accounts/${encodeURIComponent(address)}`;
  let account = await get(path, signal);
  const figures = el("div");
  const proof = el("div", { role: "status" });
  const history = makePager(`${path}/transactions?limit=25`, (items) => transactionTable(items, { own: account.address, empty: "No transaction has touched this account." }), signal);
  const earnings = makePager(`${path}/earnings?limit=25`, earningTable, signal);
  const update = () =>
    put(
      figures,
      el("p", { class: "balance" }, amount(account.balance)),
      facts([
        ["Read at", ["checkpoint ", checkpointLink(account.checkpoint)]],
        ["Next number", formatCount(account.sequence)],
        ["Staked", account.stake !== "0" && amount(account.stake)],
        ...account.leaving.map((part) => [`Free from epoch ${part.release_epoch}`, amount(part.amount)]),
        ["Not ordered yet", account.pending > 0 && `${account.pending} transactions`],
        ["Public key", copyable(account.public_key)],
      ]),
    );
  put(
    main,
    el("h1", null, "Account"),
    el("p", { class: "long-id" }, copyable(account.address)),
    el("div", { class: "columns" }, card("As the node says", figures), card("As proven here", proof)),
    card("History", history),
    card("Earned by AI work, and as fees", earnings),
  );
  update();
  repeat(async () => {
    account = await get(path, signal);
    update();
  }, PERIOD_MS, signal);
  await history.loaded;
  const run = () => prove(account, history.getItems(), proof, run, signal);
  run();
}

function earningTable(items) {
  return table(
    ["Checkpoint", "When", "Amount", "For"],
    items.map((one) => [
      checkpointLink(one.checkpoint),
      formatTime(one.timestamp_ms),
      ["+", amount(one.amount)],
      one.job ? [jobLink(one.job, "AI work"), `, generation ${formatCount(one.generation)}`] : "fees of a commit that it led",
    ]),
    { empty: "This account has earned nothing yet.", label: "Earnings" },
  );
}

// The newest applied transaction has the account's balance in its effect, and the effect has a proof.
async function prove(account, items, place, again, signal) {
  const shown = (...children) => signal.aborted || put(place, children);
  if (!hasWebCrypto()) {
    shown(el("p", { class: "bad" }, "This browser checks signatures on https and localhost pages only."));
    return;
  }
  shown(el("p", { class: "muted" }, "Checking…"));
  try {
    const genesis = await getGenesis();
    const ends = await getEpochEnds();
    const begun = performance.now();
    for (const one of items.filter((item) => item.is_final && item.status === "checkpointed").slice(0, TRIED_MAX)) {
      const proven = await verifyProof(await getBytes(`/v1/transactions/${one.id}/proof`, undefined, signal), genesis, ends);
      const change = proven.effect.changes.find((part) => toHex(part.account) === account.public_key);
      if (!change) continue;
      const since = BigInt(account.balance) - change.balance;
      shown(
        el("p", { class: "balance" }, amount(change.balance)),
        el("p", { class: "proof-verdict good" }, `Proven, in this browser, in ${formatDuration(performance.now() - begun)}.`),
        facts([
          ["After", transactionLink(one.id)],
          ["At", ["checkpoint ", checkpointLink(one.checkpoint), ` of ${formatTime(proven.checkpoint.timestampMs)}`]],
          ["Signed by", `validators ${proven.certified.authors.join(", ")}: weight ${proven.certified.weight} of ${proven.certified.total}`],
          ["Next number", formatCount(change.sequence)],
          ["Difference", since === 0n ? "none: the node says the same" : `${since > 0n ? "+" : ""}${formatAmount(since)} MST since, which this proof does not cover (later transactions, AI work, fees)`],
        ]),
        el("div", { class: "buttons" }, el("button", { type: "button", onclick: again }, "Check again")),
      );
      return;
    }
    shown(el("p", { class: "muted" }, "No final transaction of this account is among its latest, so there is nothing to prove its balance with."));
  } catch (error) {
    shown(el("p", { class: "proof-verdict bad" }, `Refused: ${error.message}`));
  }
}
