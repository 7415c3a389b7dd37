// Draws a layout as SVG, and changes only what changed.

import { draw } from "./dom.js";
import { formatCount } from "./format.js";
import { paths } from "./links.js";

const STEP = 34;
const TOP = 34;
const LABEL_GAP = 56;
const JUMP = 500;

// One form for each status, so that colour is not all that tells them apart.
const FORMS = {
  waiting: "M0-6A6 6 0 1 1 0 6A6 6 0 1 1 0-6Z",
  attached: "M0-6A6 6 0 1 1 0 6A6 6 0 1 1 0-6Z",
  ordered: "M0-6.5A6.5 6.5 0 1 1 0 6.5A6.5 6.5 0 1 1 0-6.5Z",
  checkpointed: "M0-6.5A6.5 6.5 0 1 1 0 6.5A6.5 6.5 0 1 1 0-6.5Z",
  conflicting: "M0-8 8 0 0 8-8 0Z",
  expired: "M-5-7 0-2 5-7 7-5 2 0 7 5 5 7 0 2-5 7-7 5-2 0-7-5Z",
};

export class Scene {
  /** @param {SVGSVGElement} svg whose size in pixels is the size of the view */
  constructor(svg, laneHeight) {
    this.laneHeight = laneHeight;
    this.bands = draw("g", { class: "bands" });
    this.edges = draw("g", { class: "edges" });
    this.dots = draw("g", { class: "dots" });
    this.world = draw("g", { class: "world" }, this.bands, this.edges, this.dots);
    this.drawnBands = new Map();
    this.drawnDots = new Map();
    this.drawnEdges = new Map();
    this.isNew = true;
    this.left = 0;
    svg.replaceChildren(this.world);
  }

  /** Pixels of a slot's middle, from the layout's beginning. */
  getX = (slot) => slot * STEP + STEP / 2;

  getY = (lane) => TOP + 14 + lane * this.laneHeight + this.laneHeight / 2;

  /** Bring the picture to the layout's state. */
  render(layout, height) {
    this.#renderBands(layout, height);
    this.#renderEdges(layout);
    this.#renderDots(layout);
    this.isNew = false;
  }

  /** Move the picture so that pixel `left` of the layout is at the left edge. */
  slide(left, isSmooth) {
    // A long way, as to the newest at the beginning, is a jump: nothing can be read or pressed on the fly.
    this.world.classList.toggle("smooth", isSmooth && Math.abs(left - this.left) < JUMP);
    this.left = left;
    this.world.style.transform = `translateX(${-Math.round(left)}px)`;
  }

  /** Mark the chosen transaction, its past and its future; none for null. */
  mark(layout, chosen, followed) {
    const past = chosen ? layout.getCone(chosen, true) : new Set();
    const future = chosen ? layout.getCone(chosen, false) : new Set();
    this.world.classList.toggle("has-chosen", Boolean(chosen));
    for (const [id, { group }] of this.drawnDots) {
      group.classList.toggle("past", past.has(id) && id !== chosen);
      group.classList.toggle("future", future.has(id) && id !== chosen);
      group.classList.toggle("chosen", id === chosen);
      group.classList.toggle("followed", id === followed);
    }
    for (const [, { path, child, parent }] of this.drawnEdges) {
      path.classList.toggle("past", past.has(child) && past.has(parent));
      path.classList.toggle("future", future.has(child) && future.has(parent));
    }
  }

  #renderBands(layout, height) {
    let labelEnd = -Infinity;
    const columns = [...layout.columns.values()].sort((left, right) => left.first - right.first);
    for (const column of columns) {
      let band = this.drawnBands.get(column.index);
      if (!band) {
        const title = draw("title");
        const area = draw("rect", { y: 0, height, class: Number(column.index) % 2 ? "odd" : "even" });
        const text = draw("text", { y: 21, class: "band-name" }, formatCount(column.index));
        const group = draw("a", { href: paths.checkpoint(column.index), tabindex: -1 }, title, area, text);
        band = { group, area, text, title };
        this.drawnBands.set(column.index, band);
        this.bands.append(group);
      }
      const x = column.first * STEP;
      band.area.setAttribute("x", x);
      band.area.setAttribute("width", column.width * STEP);
      band.text.setAttribute("x", x + 7);
      band.title.textContent = `checkpoint ${column.index}: ${column.count} shown`;
      const hasRoom = x >= labelEnd;
      if (hasRoom) labelEnd = x + LABEL_GAP + 6 * column.index.length - 20;
      band.text.toggleAttribute("hidden", !hasRoom);
    }
    sweep(this.drawnBands, (index) => layout.columns.has(index), ({ group }) => group.remove());
  }

  #renderDots(layout) {
    for (const [id, vertex] of layout.vertices) {
      const { status } = vertex.transaction;
      let dot = this.drawnDots.get(id);
      if (!dot) {
        const form = draw("path");
        const title = draw("title");
        const group = draw("g", { class: "dot", "data-id": id }, title, draw("circle", { class: "halo", r: 12 }), form);
        if (!this.isNew) group.classList.add("arriving");
        dot = { group, form, title, status: null };
        this.drawnDots.set(id, dot);
        this.dots.append(group);
      }
      if (dot.status !== status) {
        dot.status = status;
        dot.group.dataset.status = status;
        dot.form.setAttribute("d", FORMS[status]);
        dot.title.textContent = `${id.slice(0, 12)}… ${status}`;
      }
      dot.group.style.transform = `translate(${this.getX(vertex.slot)}px, ${this.getY(vertex.lane)}px)`;
    }
    sweep(this.drawnDots, (id) => layout.vertices.has(id), ({ group }) => group.remove());
  }

  #renderEdges(layout) {
    const wanted = new Set();
    for (const [id, vertex] of layout.vertices) {
      for (const parent of vertex.transaction.parents) {
        const base = layout.vertices.get(parent);
        if (!base) continue;
        const name = `${id}${parent}`;
        wanted.add(name);
        let edge = this.drawnEdges.get(name);
        if (!edge) {
          edge = { path: draw("path"), child: id, parent };
          if (!this.isNew) edge.path.classList.add("arriving");
          this.drawnEdges.set(name, edge);
          this.edges.append(edge.path);
        }
        edge.path.setAttribute("d", this.#bend(base, vertex));
      }
    }
    sweep(this.drawnEdges, (name) => wanted.has(name), ({ path }) => path.remove());
  }

  #bend(from, to) {
    const [x1, y1, x2, y2] = [this.getX(from.slot), this.getY(from.lane), this.getX(to.slot), this.getY(to.lane)];
    const pull = Math.max(14, Math.min(90, (x2 - x1) / 2));
    return `M${x1} ${y1}C${x1 + pull} ${y1} ${x2 - pull} ${y2} ${x2} ${y2}`;
  }
}

function sweep(drawn, isWanted, remove) {
  for (const [name, item] of drawn) {
    if (isWanted(name)) continue;
    remove(item);
    drawn.delete(name);
  }
}
