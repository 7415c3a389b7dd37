// A curve with axes, drawn as SVG; the figure under the pointer is told in words.

import { draw, el } from "./dom.js";

const HEIGHT = 260;
const MARGIN = { left: 46, right: 14, top: 14, bottom: 30 };

/** Round steps that cut `from … to` into about `count` parts. */
export function makeTicks(from, to, count) {
  const raw = (to - from) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const ticks = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to + step / 1e6; tick += step) ticks.push(tick);
  return ticks;
}

/**
 * A line chart.
 *
 * @param {{x: number, y: number}[]} points by ascending x
 * @param {{describe: (point) => string, formatY: (value: number) => string, xName: string, label: string,
 *   floor?: number, ceiling?: number, width?: number}} options `width` in units of the text's size
 */
export function makeChart(points, { describe, formatY, xName, label, floor = null, ceiling = null, width = 960 }) {
  const xs = [points[0].x, Math.max(points.at(-1).x, points[0].x + 1)];
  const low = floor ?? Math.min(...points.map((point) => point.y));
  const high = ceiling ?? Math.max(...points.map((point) => point.y), low + 1e-9);
  const getX = (x) => MARGIN.left + ((x - xs[0]) / (xs[1] - xs[0])) * (width - MARGIN.left - MARGIN.right);
  const getY = (y) => HEIGHT - MARGIN.bottom - ((y - low) / (high - low || 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = points.map((point, place) => `${place ? "L" : "M"}${getX(point.x).toFixed(1)} ${getY(point.y).toFixed(1)}`).join("");
  const base = HEIGHT - MARGIN.bottom;
  const grid = makeTicks(low, high, 5).map((tick) => [
    draw("path", { class: "grid", d: `M${MARGIN.left} ${getY(tick)}H${width - MARGIN.right}` }),
    draw("text", { class: "tick", x: MARGIN.left - 8, y: getY(tick) + 4, "text-anchor": "end" }, formatY(tick)),
  ]);
  const marks = makeTicks(...xs, 6).filter(Number.isInteger).map((tick) => draw("text", { class: "tick", x: getX(tick), y: HEIGHT - 10, "text-anchor": "middle" }, String(tick)));
  const dot = draw("circle", { class: "pointer", r: 5, hidden: true });
  const svg = draw(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label, tabindex: 0 },
    grid, marks,
    draw("path", { class: "area", d: `${line}L${getX(points.at(-1).x)} ${base}L${getX(points[0].x)} ${base}Z` }),
    draw("path", { class: "line", d: line }),
    draw("circle", { class: "last", cx: getX(points.at(-1).x), cy: getY(points.at(-1).y), r: 4 }),
    dot,
  );
  const words = el("p", { class: "muted chart-words", "aria-live": "polite" }, describe(points.at(-1)));
  let place = points.length - 1;
  const choose = (wanted) => {
    place = Math.max(0, Math.min(points.length - 1, wanted));
    const point = points[place];
    dot.setAttribute("cx", getX(point.x));
    dot.setAttribute("cy", getY(point.y));
    dot.removeAttribute("hidden");
    words.textContent = describe(point);
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    choose(points.reduce((best, point, at) => (Math.abs(getX(point.x) - x) < Math.abs(getX(points[best].x) - x) ? at : best), 0));
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(place + step);
  });
  return el("figure", null, svg, el("figcaption", null, words, el("span", { class: "muted axis" }, xName)));
}
