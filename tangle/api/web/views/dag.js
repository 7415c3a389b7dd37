// The graph, live: columns by checkpoint, vertices by status, edges to parents; one transaction can be followed.

import { draw, el, put } from "../parts/dom.js";
import { formatAmount, formatCount, formatDuration, formatRate, formatShare } from "../parts/format.js";
import { Layout } from "../parts/layout.js";
import { accountLink, amount, checkpointLink, MEANINGS, paths, statusMark, transactionLink } from "../parts/links.js";
import { live, repeat } from "../parts/live.js";
import { get } from "../parts/node.js";
import { Scene } from "../parts/scene.js";

const PERIOD_MS = 700;
const SHOWN = { wide: 180, narrow: 90 };
const RIGHT_MARGIN = 84;
const FINAL = new Set(["checkpointed", "conflicting", "expired"]);

export async function show(main, { id: followed = null }, signal) {
  const graph = new Graph(followed, signal);
  put(main, el("h1", { class: "unseen" }, "Graph"), makeTiles(signal), graph.element);
  await graph.start();
}

// ── figures ───────────────────────────────────────────────────────────────────────────────────────────────

function makeTiles(signal) {
  const tiles = el("div", { class: "tiles", "aria-label": "The node in figures" });
  const tile = (name, value, detail, href) =>
    el(href ? "a" : "div", { class: "tile", href }, el("span", { class: "tile-name" }, name), el("strong", null, value), el("small", null, detail));
  live.follow(() => {
    const status = live.status;
    const { finality } = status;
    put(
      tiles,
      tile("Transactions", `${formatRate(status.rate_final)} /s`, `${formatCount(status.ordered_total)} so far`),
      tile("Time to final", formatDuration(finality.p50_ms), `95 %: ${formatDuration(finality.p95_ms)}`),
      tile("Checkpoint", formatCount(status.checkpoint_certified), `${formatDuration(Number(status.checkpoint_age_ms))} ago`, "#/checkpoints"),
      tile("Model is right", formatShare(status.score, status.holdout_rows), `${status.model_name}, generation ${formatCount(status.generation)}`, "#/learning"),
      tile("Price", `${formatCount(status.price)}`, "grains per weight"),
      tile("Not ordered", `${status.pending}`, `${status.tips} tips, ${status.peers} peers`, "#/committee"),
    );
  }, signal);
  return tiles;
}

// ── the graph ─────────────────────────────────────────────────────────────────────────────────────────────

class Graph {
  constructor(followed, signal) {
    this.signal = signal;
    this.followed = followed;
    this.chosen = followed;
    this.isHeld = false;
    this.left = 0;
    this.followedSince = null;
    this.svg = draw("svg", { class: "graph", tabindex: 0, role: "application", "aria-label": "Graph of transactions. Arrow keys move along edges, enter opens, f follows, space holds still." });
    this.panel = el("aside", { class: "chosen-panel", "aria-live": "polite" });
    this.hold = el("button", { type: "button", class: "hold" }, "Hold");
    const legend = el("ul", { class: "legend", "aria-label": "Forms and colours" }, ["attached", "ordered", "checkpointed", "conflicting"].map((status) => el("li", null, statusMark(status))));
    this.element = el("div", { class: "graph-frame" }, el("div", { class: "graph-bar" }, legend, el("span", { class: "hint" }, "columns are checkpoints, edges lead to parents"), this.hold), this.svg, this.panel);
  }

  async start() {
    this.height = this.svg.clientHeight;
    const laneHeight = 27;
    this.layout = new Layout(Math.max(5, Math.floor((this.height - 62) / laneHeight)));
    this.scene = new Scene(this.svg, laneHeight);
    this.listen();
    if (this.followed) await this.fetchFollowed();
    repeat(() => this.look(), PERIOD_MS, this.signal);
    this.showPanel();
  }

  listen() {
    const options = { signal: this.signal };
    this.hold.addEventListener("click", () => this.onHold(), options);
    this.svg.addEventListener("click", (event) => this.onClick(event), options);
    this.svg.addEventListener("dblclick", (event) => this.open(event.target.closest(".dot")?.dataset.id), options);
    this.svg.addEventListener("keydown", (event) => this.onKey(event), options);
    this.svg.addEventListener("wheel", (event) => this.onWheel(event), { ...options, passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.onDrag(event), options);
    new ResizeObserver((_, observer) => (this.signal.aborted ? observer.disconnect() : this.slide(false))).observe(this.svg);
  }

  async look() {
    const transactions = await get(`/v1/transactions?limit=${this.countWanted()}`, this.signal);
    this.layout.place(transactions);
    const own = this.followed && this.layout.vertices.get(this.followed);
    if (own && !FINAL.has(own.transaction.status) && !transactions.some((one) => one.id === this.followed)) await this.fetchFollowed();
    this.render();
  }

  // Everything at first, then as many as may have come or changed since: the node has better things to do.
  countWanted() {
    const most = this.svg.clientWidth < 640 ? SHOWN.narrow : SHOWN.wide;
    const held = [...this.layout.vertices.values()];
    if (held.length < most) return most;
    const firstOpen = held.findIndex(({ transaction }) => !transaction.is_final && !FINAL.has(transaction.status));
    const open = firstOpen < 0 ? 0 : held.length - firstOpen;
    return Math.min(most, open + 30 + Math.ceil(2 * (live.status?.rate_in ?? most)));
  }

  async fetchFollowed() {
    const near = await get(`/v1/transactions/${this.followed}/neighbours?depth=3`, this.signal);
    const own = await get(`/v1/transactions/${this.followed}`, this.signal);
    this.followedSince ??= FINAL.has(own.status) ? null : performance.now();
    const known = [...near.filter((one) => one.id !== own.id), own];
    this.layout.place(known.sort((left, right) => Number(left.ordered_index ?? Infinity) - Number(right.ordered_index ?? Infinity)));
  }

  render() {
    if (this.chosen && !this.layout.vertices.has(this.chosen)) this.chosen = null;
    this.scene.render(this.layout, this.height);
    this.scene.mark(this.layout, this.chosen, this.followed);
    this.slide(true);
    this.showPanel();
  }

  slide(isSmooth) {
    if (!this.layout) return;
    const width = this.svg.clientWidth;
    const end = this.scene.getX(this.layout.looseEnd ?? this.layout.end) + RIGHT_MARGIN - width;
    const own = this.followed && this.layout.vertices.get(this.followed);
    if (!this.isHeld) {
      this.left = own ? Math.min(end, this.scene.getX(own.slot) - width / 2) : end;
    }
    this.scene.slide(this.left, isSmooth && !this.isDragging);
  }

  setHeld(isHeld) {
    this.isHeld = isHeld;
    if (!isHeld && this.chosen !== this.followed) this.choose(null);
    this.hold.textContent = isHeld ? "Go on" : "Hold";
    this.hold.setAttribute("aria-pressed", String(isHeld));
    this.slide(true);
  }

  onHold() {
    if (this.isHeld && this.followed && FINAL.has(this.layout.vertices.get(this.followed)?.transaction.status)) this.unfollow();
    this.setHeld(!this.isHeld);
  }

  unfollow() {
    if (this.chosen === this.followed) this.chosen = null;
    this.followed = null;
    if (location.hash !== "#/") history.replaceState(null, "", "#/");
  }

  choose(id) {
    this.chosen = id;
    this.scene.mark(this.layout, id, this.followed);
    this.showPanel();
  }

  open(id) {
    if (id) location.hash = paths.transaction(id);
  }

  follow(id) {
    this.followed = id;
    this.followedSince = FINAL.has(this.layout.vertices.get(id).transaction.status) ? null : performance.now();
    this.choose(id);
    this.setHeld(false);
    history.replaceState(null, "", paths.follow(id));
  }

  // ── hands ───────────────────────────────────────────────────────────────────────────────────────────────

  onClick(event) {
    if (this.wasDragged) {
      event.preventDefault();
      return;
    }
    const id = event.target.closest(".dot")?.dataset.id ?? null;
    if (!id && event.target.closest("a")) return;
    this.choose(id);
    if (!id) this.unfollow();
    this.setHeld(id !== null && id !== this.followed); // what is looked at stands still
  }

  onWheel(event) {
    const turn = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (!turn) return;
    event.preventDefault();
    this.pan(turn);
  }

  pan(distance) {
    if (!this.isHeld) this.setHeld(true);
    const end = this.scene.getX(this.layout.looseEnd) + RIGHT_MARGIN - this.svg.clientWidth;
    this.left = Math.min(end, this.left + distance);
    this.scene.slide(this.left, false);
  }

  onDrag(event) {
    if (event.button !== 0) return;
    let last = event.clientX;
    this.wasDragged = false;
    const moved = new AbortController();
    const onMove = (move) => {
      if (!this.wasDragged && Math.abs(move.clientX - last) < 5) return;
      this.wasDragged = true;
      this.pan(last - move.clientX);
      last = move.clientX;
    };
    const options = { signal: AbortSignal.any([moved.signal, this.signal]) };
    window.addEventListener("pointermove", onMove, options);
    for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, () => moved.abort(), options);
  }

  onKey(event) {
    const steps = { ArrowLeft: "past", ArrowRight: "future", ArrowUp: -1, ArrowDown: 1 };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "Enter") this.open(this.chosen);
    else if (event.key === "f" && this.chosen) this.follow(this.chosen);
    else if (event.key === " ") this.onHold();
    else if (event.key === "Escape") {
      this.unfollow();
      this.choose(null);
      this.setHeld(false);
    } else return;
    event.preventDefault();
  }

  step(way) {
    const { vertices } = this.layout;
    const from = vertices.get(this.chosen);
    if (!from) {
      const last = [...vertices.values()].sort((left, right) => right.slot - left.slot)[0];
      if (last) this.choose(last.transaction.id);
      return;
    }
    let near;
    if (way === "past") near = from.transaction.parents.map((id) => vertices.get(id)).filter(Boolean);
    else if (way === "future") near = this.layout.getChildren(this.chosen);
    else near = [...vertices.values()].filter((one) => Math.abs(one.slot - from.slot) < 3 && Math.sign(one.lane - from.lane) === way);
    const distance = (one) => Math.abs(one.lane - from.lane) + 2 * Math.abs(one.slot - from.slot);
    near.sort((left, right) => distance(left) - distance(right));
    if (!near.length) return;
    this.choose(near[0].transaction.id);
    if (!this.isHeld) this.setHeld(true);
    const x = this.scene.getX(near[0].slot);
    const width = this.svg.clientWidth;
    if (x < this.left + 40 || x > this.left + width - 40) {
      this.left = x - width / 2;
      this.scene.slide(this.left, true);
    }
  }

  // ── the panel ───────────────────────────────────────────────────────────────────────────────────────────

  showPanel() {
    const vertex = this.chosen && this.layout?.vertices.get(this.chosen);
    this.panel.hidden = !vertex;
    if (!vertex) return;
    const { transaction } = vertex;
    const isFollowed = transaction.id === this.followed;
    const mark = `${transaction.id}${transaction.status}${transaction.is_final}${isFollowed}`;
    if (this.panel.dataset.mark === mark) return;
    this.panel.dataset.mark = mark;
    if (isFollowed && this.followedSince && FINAL.has(transaction.status)) {
      this.took = performance.now() - this.followedSince;
      this.followedSince = null;
    }
    const { operation } = transaction;
    const follow = el("button", { type: "button", onclick: () => this.follow(transaction.id) }, "Follow");
    const release = el("button", { type: "button", onclick: () => (this.unfollow(), this.render()) }, "Stop following");
    put(
      this.panel,
      el("div", { class: "panel-head" }, transactionLink(transaction.id), statusMark(transaction.status)),
      el("p", { class: "muted" }, transaction.reason ?? MEANINGS[transaction.status], isFollowed && this.took ? ` · seen to be final after ${formatDuration(this.took)}` : ""),
      operation.kind === "transfer"
        ? el("p", null, accountLink(transaction.issuer), " → ", accountLink(operation.recipient), el("br"), amount(operation.amount))
        : el("p", null, accountLink(transaction.issuer), ": ", operation.text ?? operation.kind),
      el("p", { class: "muted" }, transaction.checkpoint ? ["checkpoint ", checkpointLink(transaction.checkpoint), ` · fee ${formatAmount(transaction.fee)} MST`] : `anchored at checkpoint ${formatCount(transaction.anchor)}`),
      el("div", { class: "buttons" }, el("a", { class: "button", href: paths.transaction(transaction.id) }, "Open"), isFollowed ? release : follow),
    );
  }
}
