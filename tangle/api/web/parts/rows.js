// Tables of transactions and checkpoints, the same on every page.

import { table } from "./dom.js";
import { formatCount, formatDuration } from "./format.js";
import { accountLink, amount, checkpointLink, paidJobLink, statusMark, transactionLink } from "./links.js";

/** Transactions; `own` is an address whose side of a transfer is shown by its sign. */
export function transactionTable(items, { own, empty } = {}) {
  return table(
    ["Transaction", "Status", "From", "To", "Amount", "Checkpoint"],
    items.map((one) => {
      const { operation } = one;
      const isTransfer = operation.kind === "transfer";
      const sign = own && isTransfer && one.status === "checkpointed" && operation.recipient !== one.issuer ? (operation.recipient === own ? "+" : "−") : "";
      return [
        transactionLink(one.id),
        statusMark(one.status),
        one.issuer === own ? "this account" : accountLink(one.issuer),
        isTransfer ? (operation.recipient === own ? "this account" : accountLink(operation.recipient)) : operation.job ? [`${operation.name} `, paidJobLink(operation.job)] : (operation.name ?? operation.kind),
        isTransfer ? [sign, amount(operation.amount)] : "–",
        one.checkpoint === null ? "–" : checkpointLink(one.checkpoint),
      ];
    }),
    { empty, label: "Transactions" },
  );
}

/** Checkpoints, newest first. */
export function checkpointTable(items) {
  const now = Date.now();
  return table(
    ["Checkpoint", "Age", "Ordered", "In all", "Price", "Signed by"],
    items.map((one) => [
      checkpointLink(one.index),
      formatDuration(Math.max(0, now - Number(one.timestamp_ms))),
      formatCount(one.ordered_count),
      formatCount(one.ordered_total),
      formatCount(one.price),
      one.certificate ? `${one.certificate.length} validators` : "being signed",
    ]),
    { label: "Checkpoints" },
  );
}
