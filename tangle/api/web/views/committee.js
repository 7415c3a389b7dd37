// The committee: who takes part, and the blocks of the latest rounds as a graph of their own.

import { card, draw, el, put } from "../parts/dom.js";
import { formatAmount, formatBytes, formatCount, formatDuration, formatShare, shorten } from "../parts/format.js";
import { accountLink, checkpointLink, paths } from "../parts/links.js";
import { repeat } from "../parts/live.js";
import { get } from "../parts/node.js";
import { getShard } from "./checkpoints.js";

const PERIOD_MS = 1_000;
const ROUNDS = { wide: 22, narrow: 9 };
const OPEN_ROUNDS = 2; // a block of these may still be on its way
const [STEP, LANE, LEFT, TOP] = [44, 46, 34, 30];

export async function show(main, _, signal) {
  const shard = await getShard(signal);
  const members = el("div", { class: "members" });
  const svg = draw("svg", { class: "blocks", role: "img", "aria-label": "Blocks of the latest rounds; edges lead to the round before" });
  const frame = el("div", { class: "scroll" }, svg);
  const summary = el("p", { class: "lead" });
  const peers = el("div");
  const stakes = el("div", { class: "stakes" });
  put(
    main,
    el("h1", null, "Committee"),
    summary,
    card("Members", members),
    card("Stakes and the next election", stakes),
    card("Blocks, round by round", frame, el("p", { class: "muted" }, "One column a round, one row a validator. A ring marks the leader of a commit that became a checkpoint; the number inside is how many transactions the block names.")),
    card("Peers of this node", peers),
  );
  const look = async () => {
    const committee = await get(`/v1/committee?shard=${shard}`, signal);
    const rounds = frame.clientWidth < 640 ? ROUNDS.narrow : ROUNDS.wide;
    const first = Math.max(1, Number(committee.round) - rounds + 1);
    const limit = Math.min(256, 2 * rounds * committee.validators.length);
    const [blocks, checkpoints, connected, election] = await Promise.all([
      get(`/v1/blocks?shard=${shard}&first_round=${first}&limit=${limit}`, signal),
      get(`/v1/checkpoints/${shard}?limit=${rounds}`, signal),
      get("/v1/peers", signal),
      get("/v1/validators", signal),
    ]);
    put(summary, makeSummary(committee));
    const known = countKnown(committee);
    put(members, committee.validators.map((one) => makeMember(one, committee, known)));
    drawBlocks(svg, blocks, committee, first, rounds, new Set(checkpoints.map(({ leader }) => leader.digest)));
    put(peers, makePeers(connected));
    put(stakes, makeStakes(election));
  };
  await look();
  repeat(look, PERIOD_MS, signal);
}

function makeSummary(committee) {
  const faults = committee.equivocations;
  return [
    `Round ${formatCount(committee.round)}, commit ${formatCount(committee.commit)}. A weight of ${committee.quorum} of ${committee.total_weight} certifies. `,
    faults ? el("strong", { class: "bad" }, `${faults} double signings seen.`) : "Nobody has signed twice.",
  ];
}

// Rounds that the node remembers: of the ones before, nobody's block is there.
function countKnown({ validators }) {
  const length = validators[0].votes.length;
  const first = validators[0].votes.findIndex((_, place) => validators.some((one) => one.votes[place]));
  return first < 0 ? 0 : length - first;
}

function makeMember(one, committee, known) {
  const votes = known ? one.votes.slice(-known) : [];
  const present = votes.filter(Boolean).length;
  const width = votes.length;
  const bars = votes.map((voted, place) => {
    const kind = voted ? "voted" : place >= width - OPEN_ROUNDS ? "open" : "missed";
    return draw("rect", { x: place, y: voted ? 0 : 7, width: 0.72, height: voted ? 10 : 3, class: kind });
  });
  return el(
    "div",
    { class: "member", "data-self": one.is_self },
    el("div", { class: "member-name" }, el("strong", null, `Validator ${one.index}`), el("code", null, shorten(one.public_key, 8, 4)), one.is_self ? el("span", { class: "tag" }, "this node") : null, one.is_leader ? el("span", { class: "tag accent" }, "leads") : null),
    draw("svg", { class: "votes", viewBox: `0 0 ${width} 10`, preserveAspectRatio: "none", role: "img", "aria-label": `${present} blocks in the last ${width} rounds` }, bars),
    el("small", { class: "muted" }, `${present}/${width} rounds (${formatShare(present, width)}) · weight ${one.weight} of ${committee.total_weight} · attested `, checkpointLink(one.attested)),
  );
}

function drawBlocks(svg, blocks, committee, first, rounds, leaders) {
  const place = new Map(blocks.map((block) => [block.digest, block]));
  const getX = (round) => LEFT + (Number(round) - first) * STEP + STEP / 2;
  const getY = (author) => TOP + author * LANE + LANE / 2;
  const edges = [];
  const dots = [];
  for (const block of blocks) {
    for (const ancestor of block.ancestors) {
      if (!place.has(ancestor.digest)) continue;
      const [x1, y1, x2, y2] = [getX(ancestor.round), getY(ancestor.author), getX(block.round), getY(block.author)];
      edges.push(draw("path", { class: leaders.has(ancestor.digest) ? "vote" : null, d: `M${x1} ${y1}C${x1 + 18} ${y1} ${x2 - 18} ${y2} ${x2} ${y2}` }));
    }
    const title = `round ${block.round}, validator ${block.author}: ${block.tips} tips, ${block.attestations} attestations, ${formatBytes(block.size)}`;
    const isLeader = leaders.has(block.digest);
    dots.push(
      draw(
        "a",
        { href: paths.block(block.round, block.author), class: `block${isLeader ? " leader" : ""}${block.tips ? " full" : ""}`, transform: `translate(${getX(block.round)} ${getY(block.author)})`, "aria-label": title, tabindex: -1 },
        draw("title", null, title),
        isLeader ? draw("circle", { class: "ring", r: 16 }) : null,
        draw("rect", { x: -11, y: -11, width: 22, height: 22, rx: 6 }),
        block.tips ? draw("text", { y: 4 }, String(block.tips)) : null,
      ),
    );
  }
  const lanes = committee.validators.map((one) => draw("text", { class: "lane", x: 6, y: getY(one.index) + 4 }, String(one.index)));
  const names = Array.from({ length: rounds }, (_, column) => first + column).filter((round) => round % 4 === 0).map((round) => draw("text", { class: "lane", x: getX(round), y: 16, "text-anchor": "middle" }, formatCount(round)));
  svg.setAttribute("width", LEFT + rounds * STEP + 10);
  svg.setAttribute("height", TOP + committee.validators.length * LANE + 6);
  svg.replaceChildren(draw("g", { class: "edges" }, edges), draw("g", null, lanes, names), draw("g", null, dots));
}

// All candidates: what is at stake, the weight now, and what an election now would give.
function makeStakes(election) {
  const left = Math.max(0, Number(BigInt(election.ends_ms) - BigInt(election.timestamp_ms)));
  return [
    el("p", { class: "muted" }, `Epoch ${formatCount(election.epoch)} ends in ${formatDuration(left)} and pays its committee at most ${formatAmount(election.pool)} MST. A candidate needs ${formatAmount(election.stake_min)} MST.`),
    el("ul", { class: "peers" }, election.candidates.map((one) =>
      el(
        "li",
        null,
        el("strong", null, `${formatAmount(one.stake)} MST`),
        el("span", { class: one.weight ? "tag accent" : "tag" }, describeStanding(one)),
        el("small", { class: "muted" }, `${shorten(one.public_key, 8, 4)} · weight ${formatShare(one.share, 1)} now, ${formatShare(one.next_share, 1)} next · work ${formatCount(BigInt(one.work) + BigInt(one.fresh))} · ${formatCount(one.blocks)} blocks · for `, accountLink(one.owner)),
      ),
    )),
  ];
}

function describeStanding(one) {
  if (one.jailed_until !== null) return `jailed until epoch ${one.jailed_until}`;
  if (one.retired !== null) return `retired in epoch ${one.retired}`;
  if (one.weight) return "orders";
  return one.next_weight ? "waits" : "too little stake";
}

function makePeers(peers) {
  if (!peers.length) return el("p", { class: "muted" }, "None is connected.");
  return el("ul", { class: "peers" }, peers.map((peer) =>
    el(
      "li",
      null,
      el("strong", null, peer.address),
      el("span", { class: "tag" }, peer.is_validator ? "validator" : "observer"),
      el("small", { class: "muted" }, `${peer.is_outbound ? "dialled" : "came"} ${formatDuration(1000 * peer.connected_s)} ago · ${formatDuration(peer.round_trip_ms)} away · checkpoint ${formatCount(peer.checkpoint)} · ${formatBytes(peer.bytes_in)} in, ${formatBytes(peer.bytes_out)} out · ${peer.agent}`),
    ),
  ));
}
