// A small still graph around one transaction.

import { draw, el, put } from "./dom.js";
import { Layout } from "./layout.js";
import { paths } from "./links.js";
import { get } from "./node.js";
import { Scene } from "./scene.js";

const LANES = 7;
const LANE_HEIGHT = 26;

/** The graph up to three steps around `id`; the steps can be chosen, and every vertex leads to its page. */
export function makeNeighbourhood(id, signal) {
  const svg = draw("svg", { class: "graph small", role: "img", "aria-label": "The transactions around this one" });
  const frame = el("div", { class: "scroll" }, svg);
  const note = el("p", { class: "muted" });
  const choice = el("select", { "aria-label": "Steps around it" }, [1, 2, 3].map((depth) => el("option", { value: depth, selected: depth === 2 }, `${depth} step${depth > 1 ? "s" : ""}`)));
  const look = async () => {
    const near = await get(`/v1/transactions/${id}/neighbours?depth=${choice.value}`, signal);
    const own = near.some((one) => one.id === id) ? [] : [await get(`/v1/transactions/${id}`, signal)];
    const all = [...near, ...own].sort((left, right) => Number(left.ordered_index ?? Infinity) - Number(right.ordered_index ?? Infinity));
    const layout = new Layout(LANES);
    layout.place(all);
    const scene = new Scene(svg, LANE_HEIGHT);
    const height = 60 + LANES * LANE_HEIGHT;
    scene.render(layout, height);
    scene.mark(layout, id, id);
    svg.setAttribute("width", scene.getX(layout.looseEnd) + 20);
    svg.setAttribute("height", height);
    frame.scrollLeft = scene.getX(layout.vertices.get(id).slot) - frame.clientWidth / 2;
    note.textContent = `${all.length - 1} others within reach; children are known while they are recent.`;
  };
  svg.addEventListener("click", (event) => {
    const chosen = event.target.closest(".dot")?.dataset.id;
    if (chosen) location.hash = paths.transaction(chosen);
  });
  const run = () => look().catch((error) => signal.aborted || put(note, error.message));
  choice.addEventListener("change", run);
  queueMicrotask(run);
  return el("div", null, el("div", { class: "row" }, choice, note), frame);
}
