// The page's own logic: amounts, names, places, the layout of the graph, forms from the OpenAPI document.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { makeTicks } from "../../tangle/api/web/parts/chart.js";
import {
  formatAmount, formatBytes, formatCount, formatDuration, formatShare, parseAmount, shorten,
} from "../../tangle/api/web/parts/format.js";
import { Layout } from "../../tangle/api/web/parts/layout.js";
import { makeExample, readOperations } from "../../tangle/api/web/parts/openapi.js";
import { findPage, PAGES } from "../../tangle/api/web/parts/pages.js";

test("amounts are exact, up to the largest", () => {
  const cases = {
    0: "0", 1: "0.000000001", 1000000000: "1", 1500000000: "1.5", 1234567000000000: "1,234,567",
    "9223372036854775807": "9,223,372,036.854775807", "-2500000000": "−2.5",
  };
  for (const [grains, text] of Object.entries(cases)) assert.equal(formatAmount(grains), text);
});

test("amounts that are typed become grains, or nothing", () => {
  assert.equal(parseAmount("1.5"), 1_500_000_000n);
  assert.equal(parseAmount(" 1,000 "), 1_000_000_000_000n);
  assert.equal(parseAmount("0.000000001"), 1n);
  for (const text of ["", "-1", "1.0000000001", "1e3", "0x1", "9999999999", "1.", "NaN"]) {
    assert.equal(parseAmount(text), null, text);
  }
  for (const grains of [0n, 1n, 999_999_999n, 2n ** 63n - 1n]) {
    assert.equal(parseAmount(formatAmount(grains)), grains);
  }
});

test("figures", () => {
  assert.equal(formatCount("1234567"), "1,234,567");
  assert.equal(formatCount(12), "12");
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatBytes(3 * 2 ** 30), "3.0 GiB");
  assert.deepEqual([null, 12.4, 1_500, 61_000, 7_260_000].map(formatDuration), ["–", "12 ms", "1.5 s", "1 min", "2 h 1 min"]);
  assert.equal(formatShare(1, 8), "12.5 %");
  assert.equal(formatShare(1, 0), "–");
  assert.equal(shorten("0123456789abcdef"), "01234567…abcdef");
  assert.equal(shorten("short"), "short");
});

test("ticks are round and inside", () => {
  assert.deepEqual(makeTicks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(makeTicks(0, 7, 6), [0, 2, 4, 6]);
  assert.deepEqual(makeTicks(3, 3, 5).length > 0, true);
});

test("every place leads to its page", () => {
  assert.equal(findPage("").page.menu, "Graph");
  assert.deepEqual(findPage("transactions/ab").parameters, { id: "ab" });
  assert.deepEqual(findPage("blocks/7/2").parameters, { round: "7", author: "2" });
  for (const place of ["nowhere", "transactions", "transactions/", "blocks/7", "dag/"]) assert.equal(findPage(place), null);
  for (const page of PAGES) assert.equal(findPage(page.path.replace(/:\w+/g, "x")).page, page);
});

const id = (number) => number.toString(16).padStart(4, "0").repeat(16);
const make = (number, parents, checkpoint, ordered) => ({
  id: id(number), parents: parents.map(id), checkpoint: checkpoint ?? null, ordered_index: ordered ?? null,
  status: checkpoint ? "checkpointed" : "attached",
});

test("columns of checkpoints follow each other, and parents stand to the left", () => {
  const layout = new Layout(9);
  const all = [
    make(1, [900], "4", "0"), make(2, [1], "4", "1"), make(3, [1], "4", "2"), make(4, [2, 3], "5", "3"),
    make(5, [4], null), make(6, [5, 4], null),
  ];
  layout.place(all);
  const slot = (number) => layout.vertices.get(id(number)).slot;
  assert.deepEqual([1, 2, 3, 4].map(slot), [0, 1, 1, 2]);
  assert.ok(slot(5) > layout.end && slot(6) === slot(5) + 1);
  for (const { transaction, slot: own } of layout.vertices.values()) {
    for (const parent of transaction.parents) {
      if (layout.vertices.has(parent)) assert.ok(layout.vertices.get(parent).slot < own);
    }
  }
});

test("what a checkpoint closed never moves; what was open moves into its column", () => {
  const layout = new Layout(9);
  layout.place([make(1, [900], "4", "0"), make(2, [1], null)]);
  const before = { ...layout.vertices.get(id(1)) };
  layout.place([make(1, [900], "4", "0"), make(2, [1], "5", "1"), make(3, [2], null)]);
  const after = layout.vertices.get(id(1));
  assert.deepEqual([after.slot, after.lane], [before.slot, before.lane]);
  assert.equal(layout.vertices.get(id(2)).slot, 1);
  assert.ok(layout.vertices.get(id(3)).slot > 1);
});

test("no two of one column share a lane while there are lanes", () => {
  const layout = new Layout(12);
  layout.place(Array.from({ length: 12 }, (_, number) => make(number + 1, [900], "1", String(number))));
  const lanes = [...layout.vertices.values()].map((vertex) => vertex.lane);
  assert.equal(new Set(lanes).size, 12);
  layout.place(Array.from({ length: 30 }, (_, number) => make(number + 100, [1], "2", String(number + 12))));
  for (const { lane } of layout.vertices.values()) assert.ok(lane >= 0 && lane < 12);
});

test("past and future of a transaction", () => {
  const layout = new Layout(9);
  layout.place([make(1, [900], "1", "0"), make(2, [1], "1", "1"), make(3, [1], "1", "2"), make(4, [2], "2", "3")]);
  assert.deepEqual([...layout.getCone(id(2), true)].sort(), [id(1), id(2)]);
  assert.deepEqual([...layout.getCone(id(1), false)].sort(), [id(1), id(2), id(3), id(4)]);
});

test("an answer that contradicts itself ends, and the picture stays bounded", () => {
  const layout = new Layout(9);
  layout.place([make(1, [2], "1", "0"), make(2, [1], "1", "1")]);
  assert.equal(layout.vertices.size, 2);
  for (let first = 10; first < 2_000; first += 100) {
    layout.place(Array.from({ length: 100 }, (_, place) => make(first + place, [first + place - 1], String(first), String(first + place))));
  }
  assert.equal(layout.vertices.size, 600);
  assert.ok(layout.columns.size <= 600);
  assert.ok(layout.vertices.has(id(2_009 - 100)));
});

test("forms for every operation of the API's own document", () => {
  const text = readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8");
  const operations = readOperations(JSON.parse(text));
  assert.ok(operations.length > 30);
  const submit = operations.find((one) => one.id === "submit_transaction");
  assert.deepEqual(makeExample(submit.body.schema), { transaction: "" });
  const prepare = operations.find((one) => one.id === "prepare");
  assert.deepEqual(makeExample(prepare.body.schema), { issuer: "", work: false });
  for (const operation of operations) {
    for (const field of operation.path.match(/(?<=\{)\w+(?=\})/g) ?? []) {
      assert.ok(operation.parameters.some((one) => one.name === field && one.required), operation.path);
    }
  }
});
