// A list that grows page by page.

import { el } from "./dom.js";
import { getPage } from "./node.js";

/** Rows of `path`, shown by `makeTable(items)`, with a button for more while there are more. */
export function makePager(path, makeTable, signal) {
  const list = el("div");
  const more = el("button", { type: "button", hidden: true }, "More");
  const frame = el("div", { class: "pager" }, list, more);
  let items = [];
  let next = null;
  const load = async () => {
    more.disabled = true;
    try {
      const page = await getPage(path, next, signal);
      items = [...items, ...page.items];
      next = page.next;
      list.replaceChildren(makeTable(items));
      more.hidden = next === null;
    } catch (error) {
      if (!signal.aborted) list.append(el("p", { class: "bad" }, error.message));
    }
    more.disabled = false;
  };
  more.addEventListener("click", load);
  frame.loaded = load();
  frame.getItems = () => items;
  return frame;
}
