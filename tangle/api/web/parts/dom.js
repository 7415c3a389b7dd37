// Building elements. Text only ever becomes a text node, so nothing that a network sends can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null) continue;
    if (/^(data|aria)-/.test(name)) element.setAttribute(name, String(value));
    else if (value === false) continue;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: `el("a", {class: "id", href: "#/"}, "text", other)`; `on…` properties are listeners. */
export const el = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

/** The same for SVG. */
export const draw = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

/** Replace everything in `element`. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A list of terms and what they are; rows without a value are left out. */
export function facts(rows) {
  const shown = rows.filter((row) => row && row[1] !== null && row[1] !== undefined && row[1] !== "" && row[1] !== false);
  return el("dl", { class: "facts" }, shown.map(([term, value]) => [el("dt", null, term), el("dd", null, value)]));
}

/** A table with a heading for each column; on narrow screens every cell names its column. */
export function table(heads, rows, { empty = "Nothing yet.", label } = {}) {
  if (rows.length === 0) return el("p", { class: "muted" }, empty);
  const body = rows.map((row) =>
    el("tr", null, row.map((cell, place) => el("td", { "data-head": heads[place] }, cell))),
  );
  const head = el("tr", null, heads.map((name) => el("th", { scope: "col" }, name)));
  return el("div", { class: "scroll" }, el("table", { "aria-label": label }, el("thead", null, head), el("tbody", null, body)));
}

/** A framed part of a page with a heading. */
export function card(title, ...children) {
  return el("section", { class: "card" }, el("h2", null, title), children);
}
