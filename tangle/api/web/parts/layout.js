// Where a transaction stands in the picture: columns by checkpoint, lanes close to those of its parents.
//
// Pure and incremental. A column that a checkpoint has closed never moves again, so the picture only slides;
// what is not ordered yet stands behind the last column and moves when its checkpoint comes.

const HELD_MAX = 600;

/** Places of transactions; `place` takes the latest answers and keeps `vertices` and `columns` up to date. */
export class Layout {
  /** @param {number} lanes how many rows there are */
  constructor(lanes) {
    this.lanes = lanes;
    this.vertices = new Map();
    this.columns = new Map();
    this.end = 0;
  }

  /** Take transactions in, in the order of their arrival; what is known is brought up to date. */
  place(transactions) {
    for (const transaction of transactions) {
      const known = this.vertices.get(transaction.id);
      if (known) known.transaction = transaction;
      else this.vertices.set(transaction.id, { transaction, column: null, slot: null, lane: null, seen: this.vertices.size });
    }
    const loose = [...this.vertices.values()].filter((vertex) => vertex.column === null);
    const closing = new Map();
    for (const vertex of loose) {
      const { checkpoint } = vertex.transaction;
      if (checkpoint === null) continue;
      if (!closing.has(checkpoint)) closing.set(checkpoint, []);
      closing.get(checkpoint).push(vertex);
    }
    for (const index of [...closing.keys()].sort((left, right) => Number(left) - Number(right))) {
      this.#close(index, closing.get(index));
    }
    this.#settleLoose();
    this.#forget();
  }

  /** Transactions that build on `id` and are held. */
  getChildren(id) {
    return [...this.vertices.values()].filter((vertex) => vertex.transaction.parents.includes(id));
  }

  /** Ids of everything held that `id` stands on, or that stands on it, `id` included. */
  getCone(id, isPast) {
    const reached = new Set([id]);
    const edge = [id];
    while (edge.length) {
      const near = this.vertices.get(edge.pop());
      if (!near) continue;
      const next = isPast ? near.transaction.parents : this.getChildren(near.transaction.id).map((one) => one.transaction.id);
      for (const one of next) {
        if (reached.has(one) || !this.vertices.has(one)) continue;
        reached.add(one);
        edge.push(one);
      }
    }
    return reached;
  }

  #close(index, vertices) {
    const known = this.columns.get(index);
    const column = known ?? { index, first: this.end, width: 0, count: 0, isFinal: false };
    this.columns.set(index, column);
    vertices.sort((left, right) => Number(left.transaction.ordered_index) - Number(right.transaction.ordered_index));
    const depths = this.#computeDepths(vertices);
    for (const vertex of vertices) {
      vertex.column = column;
      vertex.slot = column.first + depths.get(vertex.transaction.id);
      column.count += 1;
      column.width = Math.max(column.width, depths.get(vertex.transaction.id) + 1);
      vertex.lane = this.#chooseLane(vertex);
    }
    if (!known) this.end = column.first + column.width;
  }

  #settleLoose() {
    const loose = [...this.vertices.values()].filter((vertex) => vertex.column === null);
    const depths = this.#computeDepths(loose);
    for (const vertex of loose) vertex.slot = null;
    for (const vertex of loose) {
      vertex.slot = this.end + 1 + depths.get(vertex.transaction.id);
      vertex.lane = this.#chooseLane(vertex);
    }
    this.looseEnd = loose.reduce((end, vertex) => Math.max(end, vertex.slot + 1), this.end);
  }

  // Steps from the first of these transactions that it stands on.
  #computeDepths(vertices) {
    const depths = new Map(vertices.map((vertex) => [vertex.transaction.id, null]));
    const measure = (vertex) => {
      const { id, parents } = vertex.transaction;
      if (depths.get(id) !== null) return depths.get(id);
      depths.set(id, 0); // ends the walk where an answer contradicts itself
      const inside = parents.filter((parent) => depths.has(parent));
      const depth = inside.reduce((most, parent) => Math.max(most, measure(this.vertices.get(parent)) + 1), 0);
      depths.set(id, depth);
      return depth;
    };
    for (const vertex of vertices) measure(vertex);
    return depths;
  }

  #chooseLane(vertex) {
    const { id, parents } = vertex.transaction;
    const lanes = parents.map((parent) => this.vertices.get(parent)?.lane).filter((lane) => lane !== undefined && lane !== null);
    const middle = (this.lanes - 1) / 2;
    const near = lanes.length ? lanes.reduce((sum, lane) => sum + lane, 0) / lanes.length : middle;
    const spread = ((parseInt(id.slice(0, 4), 16) / 65_535) * 2 - 1) * this.lanes * 0.42;
    const wanted = vertex.lane ?? 0.62 * near + 0.38 * middle + spread;
    const taken = new Set();
    for (const other of this.vertices.values()) {
      if (other !== vertex && other.slot === vertex.slot) taken.add(other.lane);
    }
    const first = Math.max(0, Math.min(this.lanes - 1, Math.round(wanted)));
    for (let distance = 0; distance < this.lanes; distance += 1) {
      for (const lane of [first - distance, first + distance]) {
        if (lane >= 0 && lane < this.lanes && !taken.has(lane)) return lane;
      }
    }
    return first; // more of them than lanes: they share
  }

  #forget() {
    const excess = this.vertices.size - HELD_MAX;
    if (excess <= 0) return;
    const oldest = [...this.vertices.values()].sort((left, right) => left.slot - right.slot).slice(0, excess);
    for (const { transaction, column } of oldest) {
      this.vertices.delete(transaction.id);
      if (column && (column.count -= 1) === 0) this.columns.delete(column.index);
    }
  }
}
