// The shell: menu, search, theme, the state of the connection, keys, and which page is shown.

import { el, put } from "./parts/dom.js";
import { formatDuration } from "./parts/format.js";
import { live } from "./parts/live.js";
import { Away, Problem } from "./parts/node.js";
import { findPage, PAGES } from "./parts/pages.js";
import { find } from "./parts/search.js";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const stateButton = document.getElementById("state");
const search = document.getElementById("search-text");
const menu = document.getElementById("menu");
const help = document.getElementById("help");

const menuPages = PAGES.filter((page) => page.menu);
put(menu, menuPages.map((page) => el("a", { href: `#/${page.path}` }, page.menu)));

// ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────

let leaving = new AbortController();

async function navigate() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const place = location.hash.replace(/^#\/?/, "");
  const found = findPage(place);
  const top = place.split("/")[0];
  const section = { dag: "", blocks: "committee", transactions: "", accounts: "" }[top] ?? top;
  for (const link of menu.children) {
    const isCurrent = link.getAttribute("href") === `#/${section}`;
    if (!isCurrent) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      menu.scrollLeft = link.offsetLeft - menu.offsetLeft - 40;
    }
  }
  main.dataset.page = found ? found.page.path.split("/")[0] || "dag" : "none";
  if (!found) {
    put(main, el("h1", null, "Nothing here"), el("p", null, "There is no page of this name. ", el("a", { href: "#/" }, "To the graph")));
    return;
  }
  put(main, el("p", { class: "muted loading" }, "Asking the node…"));
  try {
    const view = await found.page.load();
    if (!signal.aborted) await view.show(main, found.parameters, signal);
  } catch (error) {
    if (!signal.aborted) showFault(error);
  }
  if (!signal.aborted) document.title = `${main.querySelector("h1")?.textContent ?? "Tangle"} · Tangle`;
}

function showFault(error) {
  const again = el("button", { type: "button", onclick: navigate }, "Try again");
  if (error instanceof Away) {
    put(main, el("h1", null, "The node does not answer"), el("p", null, "It may be restarting. "), again);
  } else if (error instanceof Problem) {
    put(main, el("h1", null, error.status === 404 ? "Not known here" : "Refused"), el("p", null, error.message), el("p", { class: "muted" }, el("code", null, error.code)), again);
  } else {
    put(main, el("h1", null, "This page has a fault"), el("p", null, String(error)), again);
    console.error(error);
  }
}

window.addEventListener("hashchange", () => {
  navigate();
  window.scrollTo(0, 0);
});

// ── the connection ────────────────────────────────────────────────────────────────────────────────────────

function showState() {
  const { state, status, heardAt, retryAt } = live;
  document.body.dataset.state = state;
  stateButton.dataset.state = state;
  const silence = heardAt ? Date.now() - heardAt : null;
  const label = stateButton.querySelector("span");
  if (label.textContent !== state) label.textContent = state;
  stateButton.title = status ? `${status.name} · ${status.network} · ${status.version}` : "No answer yet";
  if (state === "disconnected") {
    const since = silence === null ? "It has not answered yet" : `Last heard ${formatDuration(silence)} ago; the figures are of then`;
    const next = Math.max(0, retryAt - Date.now());
    put(banner, el("strong", null, "Disconnected from the node. "), `${since}. Next try in ${formatDuration(next)}. `);
    banner.append(el("button", { type: "button", onclick: () => live.hurry() }, "Try now"));
  } else if (state === "stale") {
    const age = status ? formatDuration(Number(status.checkpoint_age_ms)) : "some time";
    put(banner, el("strong", null, "Stale. "), `The node answers, but its last final checkpoint is ${age} old: it is catching up, or the committee has stopped.`);
  }
  banner.hidden = state === "live" || state === "connecting";
}

live.addEventListener("change", showState);
setInterval(() => live.state === "disconnected" && showState(), 1_000);
stateButton.addEventListener("click", () => live.hurry());

// ── theme ─────────────────────────────────────────────────────────────────────────────────────────────────

const prefersLight = matchMedia("(prefers-color-scheme: light)");

function applyTheme() {
  const theme = localStorage.getItem("theme") ?? (prefersLight.matches ? "light" : "dark");
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = theme === "light" ? "☾" : "☀";
  window.dispatchEvent(new Event("theme"));
}

function changeTheme() {
  localStorage.setItem("theme", document.documentElement.dataset.theme === "light" ? "dark" : "light");
  applyTheme();
}

document.getElementById("theme").addEventListener("click", changeTheme);
prefersLight.addEventListener("change", applyTheme);
applyTheme();

// ── search ────────────────────────────────────────────────────────────────────────────────────────────────

document.getElementById("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  search.setCustomValidity("");
  let place = null;
  try {
    place = await find(search.value);
  } catch (error) {
    if (!(error instanceof Away || error instanceof Problem)) throw error;
  }
  if (place) {
    location.hash = place;
    search.value = "";
    search.blur();
  } else {
    search.setCustomValidity("This node knows no transaction, account, checkpoint or job of that name.");
    search.reportValidity();
  }
});
search.addEventListener("input", () => search.setCustomValidity(""));

// ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────

const KEYS = [
  ["/", "search"],
  ...menuPages.map((page, place) => [String(place + 1), page.menu.toLowerCase()]),
  ["t", "light or dark"],
  ["?", "this list"],
  ["space", "graph: hold still, or go on"],
  ["← → ↑ ↓", "graph: along the edges"],
  ["enter", "graph: open the chosen transaction"],
  ["f", "graph: follow it"],
  ["esc", "let go"],
];
put(
  help,
  el("h2", null, "Keys"),
  el("dl", { class: "keys" }, KEYS.map(([key, what]) => [el("dt", null, el("kbd", null, key)), el("dd", null, what)])),
  el("form", { method: "dialog" }, el("button", null, "Close")),
);

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const page = menuPages[Number(event.key) - 1];
  if (event.key === "/") search.focus();
  else if (event.key === "?") help.showModal();
  else if (event.key === "t") changeTheme();
  else if (page) location.hash = `#/${page.path}`;
  else return;
  event.preventDefault();
});

live.start();
navigate();
