// A proof, fetched as bytes and checked in this browser, step by step; and what happens when a bit of it is changed.

import { toHex } from "../protocol/bytes.js";
import { verifyProof } from "../protocol/proof.js";
import { hasWebCrypto } from "../protocol/signatures.js";
import { card, draw, el, facts, put } from "./dom.js";
import { formatCount, formatDuration, shorten } from "./format.js";
import { amount } from "./links.js";
import { getBytes } from "./node.js";
import { getEpochEnds, getGenesis, getTrust, pin } from "./trust.js";

const NAMES = {
  encoding: "The bytes are canonical",
  network: "It is this network",
  certificate: "A quorum signed the checkpoint",
  signature: "The issuer signed it",
  order: "The checkpoint ordered it",
  effect: "And this came of it",
};

/** The card of a final transaction's proof. */
export function makeProofCard(transaction, signal) {
  const steps = el("ol", { class: "proof-steps" });
  const verdict = el("p", { class: "proof-verdict", role: "status" });
  const more = el("div");
  const bend = el("button", { type: "button", disabled: true }, "Change one bit");
  const again = el("button", { type: "button", disabled: true }, "Check again");
  const path = `/v1/transactions/${transaction.id}/proof`;
  let bytes = null;

  const check = async (changed, place) => {
    put(steps);
    put(more);
    verdict.className = "proof-verdict";
    verdict.textContent = "Checking…";
    try {
      const genesis = await getGenesis();
      const begun = performance.now();
      let last = begun;
      const ends = await getEpochEnds();
      const proven = await verifyProof(changed, genesis, ends, ({ name, detail }) => {
        const now = performance.now();
        steps.append(el("li", { class: "holds" }, el("strong", null, NAMES[name]), el("span", null, detail), el("time", null, formatDuration(now - last))));
        last = now;
      });
      if (toHex(proven.transaction.id) !== transaction.id) {
        throw new Error("the proof is of another transaction");
      }
      verdict.classList.add("good");
      verdict.textContent = `Proven, in this browser, in ${formatDuration(performance.now() - begun)}.`;
      put(more, makeWhatIsProven(proven), makeTree(proven), makeTrust(genesis));
    } catch (error) {
      if (signal.aborted) return;
      const where = place === undefined ? "" : ` (bit ${place % 8} of byte ${Math.floor(place / 8)} was changed)`;
      steps.append(el("li", { class: "fails" }, el("strong", null, error.code ?? error.name), el("span", null, error.message)));
      verdict.classList.add("bad");
      verdict.textContent = `Refused${where}.`;
    }
    bend.disabled = again.disabled = false;
  };
  const begin = async () => {
    if (!hasWebCrypto()) {
      verdict.classList.add("bad");
      verdict.textContent = "This browser checks signatures on https and localhost pages only; open the page on the node's own machine, or download the proof.";
      return;
    }
    try {
      bytes = await getBytes(path, "application/cbor", signal);
      await check(bytes);
    } catch (error) {
      if (!signal.aborted) verdict.textContent = error.message;
    }
  };
  bend.addEventListener("click", () => {
    const changed = bytes.slice();
    const place = crypto.getRandomValues(new Uint32Array(1))[0] % (8 * bytes.length);
    changed[place >> 3] ^= 1 << (place & 7);
    check(changed, place);
  });
  again.addEventListener("click", () => check(bytes));
  begin();
  const download = el("a", { class: "button", href: path, download: `${transaction.id}.proof.cbor` }, "Download");
  return card("Proof, checked here", verdict, steps, el("div", { class: "buttons" }, again, bend, download), more);
}

function makeWhatIsProven({ effect, checkpoint }) {
  const rows = effect.changes.map(({ account, balance, sequence }) => [
    el("code", null, shorten(toHex(account))),
    [amount(balance), ` · next number ${sequence}`],
  ]);
  return el("details", null, el("summary", null, `Accounts after it, at checkpoint ${formatCount(checkpoint.index)}`), facts(rows));
}

// The way from the leaf to the root: one level for each hash, the sibling beside the own branch.
function makeTree({ ordered, orderedWalk, transaction, checkpoint }) {
  const { steps } = orderedWalk;
  const [width, level] = [300, 44];
  const height = (steps.length + 1) * level + 24;
  const svg = draw("svg", { class: "merkle", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Merkle path from the transaction to the checkpoint's root" });
  const box = (x, y, bytes, kind) =>
    draw("g", { class: kind }, draw("rect", { x: x - 50, y: y - 12, width: 100, height: 24, rx: 6 }), draw("text", { x, y: y + 4 }, shorten(toHex(bytes), 6, 4)));
  let [x, y] = [width / 2, height - 24];
  const shapes = [];
  let own = transaction.id;
  for (const { sibling, isLeft, result } of steps) {
    const side = isLeft ? -1 : 1;
    const [a, b, top] = [width / 2 - side * 60, width / 2 + side * 60, y - level];
    shapes.push(draw("path", { d: `M${a} ${y}L${width / 2} ${top}M${b} ${y}L${width / 2} ${top}` }), box(a, y, own, "own"), box(b, y, sibling, "sibling"));
    [x, y, own] = [width / 2, top, result];
  }
  shapes.push(box(x, y, checkpoint.orderedRoot, "root"));
  svg.append(...shapes);
  const summary = `Merkle path: leaf ${formatCount(ordered.index + 1n)} of ${formatCount(ordered.size)}`;
  return el("details", { open: steps.length > 0 && steps.length < 7 }, el("summary", null, summary), svg);
}

function makeTrust(genesis) {
  const note = el("div", { class: "trust" });
  const update = () => {
    const state = getTrust(genesis);
    const words = {
      unknown: "Checked against the genesis that this node names. Compare its hash once with one that you have from elsewhere:",
      pinned: "Checked against the genesis that you confirmed:",
      other: "Beware: this is not the genesis that you confirmed. The node is on another network, or lies:",
    };
    const button = el("button", { type: "button", onclick: () => (pin(genesis), update()) }, state === "other" ? "This one is right" : "It is the right one");
    put(note, el("p", { class: state === "other" ? "bad" : "muted" }, words[state]), el("code", null, toHex(genesis.digest)), state === "pinned" ? null : button);
  };
  update();
  return note;
}
