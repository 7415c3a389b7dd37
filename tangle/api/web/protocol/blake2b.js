// BLAKE2b (RFC 7693) with key, salt and personalisation (section 2.5 of the BLAKE2 paper).
//
// WebCrypto has no BLAKE2. A 64-bit word is two 32-bit halves, low half first, because BigInt is some thirty
// times slower here.

const IV = Uint32Array.of(
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
);

const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const ROUNDS = 12;
const BLOCK = 128;

// Columns, then diagonals, of the 4 × 4 matrix of words; each names the low half of a word.
const MIXES = [
  [0, 8, 16, 24], [2, 10, 18, 26], [4, 12, 20, 28], [6, 14, 22, 30],
  [0, 10, 20, 30], [2, 12, 22, 24], [4, 14, 16, 26], [6, 8, 18, 28],
];

/**
 * BLAKE2b of `data`.
 *
 * @param {Uint8Array} data
 * @param {{size?: number, key?: Uint8Array, salt?: Uint8Array, person?: Uint8Array}} options `size` in bytes,
 *   1 to 64; a key of at most 64 bytes; salt and person of at most 16, padded with zeros.
 */
export function blake2b(data, { size = 32, key, salt, person } = {}) {
  const keySize = key?.length ?? 0;
  if (size < 1 || size > 64 || keySize > 64 || (salt?.length ?? 0) > 16 || (person?.length ?? 0) > 16) {
    throw new RangeError("a parameter of BLAKE2b is out of its range");
  }
  const parameters = new Uint8Array(64);
  parameters.set([size, keySize, 1, 1]); // fan-out and depth of one: no tree
  if (salt) parameters.set(salt, 32);
  if (person) parameters.set(person, 48);
  const given = new DataView(parameters.buffer);
  const state = IV.map((half, place) => half ^ given.getUint32(4 * place, true));
  let input = data;
  if (keySize) {
    input = new Uint8Array(BLOCK + data.length);
    input.set(key);
    input.set(data, BLOCK);
  }
  const block = new Uint8Array(BLOCK);
  for (let at = 0; at === 0 || at < input.length; at += BLOCK) {
    const part = input.subarray(at, at + BLOCK);
    block.fill(0);
    block.set(part);
    compress(state, block, at + part.length, at + BLOCK >= input.length);
  }
  const output = new DataView(new ArrayBuffer(64));
  state.forEach((half, place) => output.setUint32(4 * place, half, true));
  return new Uint8Array(output.buffer, 0, size).slice();
}

function compress(state, block, count, isLast) {
  const words = new DataView(block.buffer);
  const v = new Uint32Array(32);
  v.set(state);
  v.set(IV, 16);
  v[24] ^= count >>> 0;
  v[25] ^= Math.floor(count / 2 ** 32);
  if (isLast) {
    v[28] = ~v[28];
    v[29] = ~v[29];
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = SIGMA[round % SIGMA.length];
    MIXES.forEach(([a, b, c, d], place) => mix(v, words, a, b, c, d, order[2 * place], order[2 * place + 1]));
  }
  for (let half = 0; half < 16; half += 1) state[half] ^= v[half] ^ v[half + 16];
}

function mix(v, words, a, b, c, d, x, y) {
  add(v, a, v[b], v[b + 1]);
  add(v, a, words.getUint32(8 * x, true), words.getUint32(8 * x + 4, true));
  turn(v, d, a, 32);
  add(v, c, v[d], v[d + 1]);
  turn(v, b, c, 24);
  add(v, a, v[b], v[b + 1]);
  add(v, a, words.getUint32(8 * y, true), words.getUint32(8 * y + 4, true));
  turn(v, d, a, 16);
  add(v, c, v[d], v[d + 1]);
  turn(v, b, c, 63);
}

function add(v, to, low, high) {
  const sum = v[to] + low;
  v[to] = sum;
  v[to + 1] += high + (sum > 0xffffffff ? 1 : 0);
}

// v[to] = (v[to] xor v[by]) rotated right by `bits`.
function turn(v, to, by, bits) {
  const low = v[to] ^ v[by];
  const high = v[to + 1] ^ v[by + 1];
  if (bits === 32) {
    v[to] = high;
    v[to + 1] = low;
  } else if (bits === 63) {
    v[to] = (low << 1) | (high >>> 31);
    v[to + 1] = (high << 1) | (low >>> 31);
  } else {
    v[to] = (low >>> bits) | (high << (32 - bits));
    v[to + 1] = (high >>> bits) | (low << (32 - bits));
  }
}
