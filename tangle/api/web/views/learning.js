// What the ledger learns: curves, what the model looks for, and whether the weights are the certified ones.

import { fromHex, isEqual, toHex } from "../protocol/bytes.js";
import { decode } from "../protocol/cbor.js";
import { hashRecord } from "../protocol/hashing.js";
import { verifyCheckpoint } from "../protocol/epochs.js";
import { readCertificate, readCheckpoint } from "../protocol/records.js";
import { makeChart } from "../parts/chart.js";
import { card, el, facts, put } from "../parts/dom.js";
import { formatBytes, formatCount, formatShare, formatTime } from "../parts/format.js";
import { checkpointLink, copyable, paths } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get, getBytes } from "../parts/node.js";
import { getEpochEnds, getGenesis } from "../parts/trust.js";
import { getShard } from "./checkpoints.js";

const PERIOD_MS = 2_000;
const CURVE_PAGE = 1_000;
const TILES_MAX = 64;

export async function show(main, { job }, signal) {
  const models = await get("/v1/models", signal);
  const chosen = models.find((model) => model.job === job) ?? models[0];
  const view = new LearningView(chosen.job, signal);
  put(
    main,
    el("h1", null, "Learning"),
    el("p", { class: "lead" }, "Every transaction carries a little training of a public model. A generation closes when enough of it is counted; anybody can compute every one of them again."),
    models.length > 1 ? el("p", { class: "row" }, models.map((one) => el("a", { class: "button", href: paths.job(one.job), "aria-current": one === chosen ? "page" : null }, one.name))) : null,
    view.element,
  );
  await view.look();
  repeat(() => view.look(), PERIOD_MS, signal);
}

class LearningView {
  constructor(job, signal) {
    this.job = job;
    this.signal = signal;
    this.curve = [];
    this.chart = el("div");
    this.figures = el("div");
    this.tiles = el("div", { class: "weights" });
    this.tilesNote = el("p", { class: "muted" });
    this.verdict = el("p", { class: "proof-verdict", role: "status" }, "Not checked yet.");
    this.button = el("button", { type: "button", onclick: () => this.verify() }, "Check these weights");
    this.element = el(
      "div",
      null,
      card("Right answers on pictures that it never saw", this.chart),
      el("div", { class: "columns" }, card("The model now", this.figures, this.verdict, el("div", { class: "buttons" }, this.button)), card("What its first layer looks for", this.tiles, this.tilesNote)),
    );
  }

  async look() {
    let piece;
    do {
      const first = this.curve.length ? Number(this.curve.at(-1).generation) + 1 : 0;
      piece = await get(`/v1/models/${this.job}?first=${first}&limit=${CURVE_PAGE}`, this.signal);
      this.curve.push(...piece.curve);
    } while (piece.curve.length === CURVE_PAGE);
    this.show(piece.model);
    if (piece.model.current.generation !== this.shownGeneration) await this.showWeights(piece.model);
  }

  show(model) {
    const { current } = model;
    if (current.generation !== this.shownGeneration) {
      const points = this.curve.map((one) => ({ x: Number(one.generation), y: (100 * one.score) / model.holdout_rows, one }));
      const describe = ({ one, y }) => `generation ${formatCount(one.generation)}: ${one.score} of ${model.holdout_rows} right (${y.toFixed(1)} %), from ${formatCount(one.evaluations)} evaluations`;
      put(this.chart, makeChart(points, { describe, formatY: (value) => `${value} %`, xName: "generation →", label: "Learning curve", floor: 0, ceiling: 100, width: Math.max(340, Math.min(1200, this.chart.clientWidth)) }));
    }
    put(
      this.figures,
      el("p", { class: "balance" }, formatShare(current.score, model.holdout_rows), el("small", null, " right")),
      el("progress", { max: model.population, value: model.counted_open, "aria-label": "Evaluations for the next generation" }),
      facts([
        ["Job", [model.name, " ", copyable(model.job)]],
        ["Generation", formatCount(current.generation)],
        ["Next one", `${model.counted_open} of ${model.population} evaluations counted`],
        ["Layers", model.layer_sizes.join(" → ")],
        ["Evaluations", `${formatCount(model.counted_total)} counted since the beginning`],
        ["Closed by", ["checkpoint ", checkpointLink(current.checkpoint), `, ${formatTime(current.timestamp_ms)}`]],
        ["Weights", el("code", { class: "digest" }, current.weights_digest)],
      ]),
    );
  }

  async showWeights(model) {
    this.shownGeneration = model.current.generation;
    const bytes = await getBytes(`/v1/models/${this.job}/weights?generation=${this.shownGeneration}`, "application/octet-stream", this.signal);
    this.model = model;
    this.weights = bytes;
    const [inputs, hidden] = model.layer_sizes;
    const side = Math.sqrt(inputs);
    if (!Number.isInteger(side)) {
      put(this.tilesNote, "Its inputs are no square picture.");
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const count = Math.min(hidden, TILES_MAX);
    put(this.tiles, Array.from({ length: count }, (_, unit) => makeTile(view, unit, side, hidden)));
    put(this.tilesNote, `One tile for each of ${count} hidden units: ${side} × ${side} weights, warm where it wants ink, cool where it does not. ${formatBytes(bytes.length)} in all.`);
  }

  // The digest of the weights must be the one in a checkpoint that a quorum signed.
  async verify() {
    const { model, weights } = this;
    const { current } = model;
    this.verdict.className = "proof-verdict";
    try {
      const genesis = await getGenesis();
      const shard = await getShard(this.signal);
      const [values, certificates] = decode(await getBytes(`/v1/checkpoints/${shard}/latest`, "application/cbor", this.signal));
      if (certificates.length === 0) throw new Error("nothing is certified yet");
      const checkpoint = readCheckpoint(values);
      const { authors } = await verifyCheckpoint(readCertificate(certificates[0]), checkpoint, genesis, await getEpochEnds());
      const digest = hashRecord("tangle/weights", fromHex(model.job), BigInt(current.generation), model.layer_sizes, weights);
      const signed = checkpoint.models.find((one) => toHex(one.job) === model.job && one.generation === BigInt(current.generation));
      if (!signed) throw new Error("the latest checkpoint names another generation already; try again");
      if (!isEqual(signed.weightsDigest, digest)) throw new Error("these weights have another digest than the committee signed");
      this.verdict.classList.add("good");
      this.verdict.textContent = `Generation ${formatCount(current.generation)}: the hash of these ${formatCount(weights.length)} bytes is in checkpoint ${formatCount(checkpoint.index)}, which validators ${authors.join(", ")} signed.`;
    } catch (error) {
      if (this.signal.aborted) return;
      this.verdict.classList.add("bad");
      this.verdict.textContent = `Refused: ${error.message}`;
    }
  }
}

function makeTile(view, unit, side, hidden) {
  const canvas = el("canvas", { width: side, height: side, title: `hidden unit ${unit}` });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(side, side);
  const values = Array.from({ length: side * side }, (_, input) => view.getInt32(4 * (input * hidden + unit), true));
  const most = Math.max(1, ...values.map(Math.abs));
  values.forEach((value, place) => {
    const strength = value / most;
    const warm = strength > 0;
    const depth = Math.abs(strength) ** 0.8;
    const [red, green, blue] = warm ? [245, 170, 60] : [60, 150, 220];
    picture.data.set([24 + (red - 24) * depth, 30 + (green - 30) * depth, 38 + (blue - 38) * depth, 255], 4 * place);
  });
  context.putImageData(picture, 0, 0);
  return canvas;
}
