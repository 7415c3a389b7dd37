// The pages: one line each. A page is a module in views/ with `show(main, parameters, signal)`.
//
// `path` is matched against what follows `#/`; a piece that begins with a colon is a parameter.

export const PAGES = [
  { path: "", menu: "Graph", load: () => import("../views/dag.js") },
  { path: "dag/:id", load: () => import("../views/dag.js") },
  { path: "checkpoints", menu: "Checkpoints", load: () => import("../views/checkpoints.js") },
  { path: "checkpoints/:index", load: () => import("../views/checkpoint.js") },
  { path: "committee", menu: "Committee", load: () => import("../views/committee.js") },
  { path: "blocks/:round/:author", load: () => import("../views/block.js") },
  { path: "learning", menu: "Learning", load: () => import("../views/learning.js") },
  { path: "learning/:job", load: () => import("../views/learning.js") },
  { path: "jobs", menu: "Jobs", load: () => import("../views/jobs.js") },
  { path: "jobs/:job", load: () => import("../views/job.js") },
  { path: "shards", menu: "Shards", load: () => import("../views/shards.js") },
  { path: "console", menu: "API", load: () => import("../views/console.js") },
  { path: "console/:operation", load: () => import("../views/console.js") },
  { path: "transactions/:id", load: () => import("../views/transaction.js") },
  { path: "accounts/:address", load: () => import("../views/account.js") },
];

/** The page of a place and its parameters; null for a place that is none. */
export function findPage(place) {
  const pieces = place.split("/");
  for (const page of PAGES) {
    const wanted = page.path.split("/");
    if (wanted.length !== pieces.length) continue;
    const parameters = {};
    const isMatch = wanted.every((piece, at) => {
      if (!piece.startsWith(":")) return piece === pieces[at];
      parameters[piece.slice(1)] = decodeURIComponent(pieces[at]);
      return pieces[at] !== "";
    });
    if (isMatch) return { page, parameters };
  }
  return null;
}
