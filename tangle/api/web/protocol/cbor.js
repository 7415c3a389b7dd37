// The protocol's canonical CBOR (docs/protocol.md 1.1): integers, byte strings and arrays, nothing else.
//
// Integers decode to BigInt, always, so that nothing above 2^53 is rounded. What has two spellings is refused:
// a record's bytes are hashed and signed, so there must be one spelling only.

import { concat } from "./bytes.js";

const DEPTH_MAX = 8;
const INTEGER_MAX = 2n ** 63n;

/** Bytes that are not the canonical encoding of anything. */
export class MalformedEncoding extends Error {
  name = "MalformedEncoding";
}

/** Canonical bytes of an integer (Number or BigInt), a Uint8Array, or an array of such values. */
export function encode(value) {
  if (value instanceof Uint8Array) return concat(encodeHead(2, BigInt(value.length)), value);
  if (Array.isArray(value)) return concat(encodeHead(4, BigInt(value.length)), ...value.map(encode));
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a safe integer");
  const number = BigInt(value);
  if (number >= INTEGER_MAX || number < -INTEGER_MAX) throw new RangeError("an integer of more than 64 bits");
  return number >= 0n ? encodeHead(0, number) : encodeHead(1, -1n - number);
}

function encodeHead(major, argument) {
  const kind = major << 5;
  if (argument < 24n) return Uint8Array.of(kind | Number(argument));
  let code = 24;
  let size = 1;
  while (argument >> BigInt(8 * size)) {
    code += 1;
    size *= 2;
  }
  const head = new Uint8Array(1 + size);
  head[0] = kind | code;
  for (let place = size, left = argument; place > 0; place -= 1, left >>= 8n) head[place] = Number(left & 255n);
  return head;
}

/**
 * The value of canonical bytes: BigInt, Uint8Array or an array.
 *
 * @throws {MalformedEncoding} for everything else, bytes left over included.
 */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.read(0);
  if (reader.at !== bytes.length) throw new MalformedEncoding(`${bytes.length - reader.at} bytes are left over`);
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  read(depth) {
    if (depth > DEPTH_MAX) throw new MalformedEncoding("nested too deeply");
    const [major, argument] = this.readHead();
    if (major < 2 && argument >= INTEGER_MAX) throw new MalformedEncoding("an integer of more than 64 bits");
    if (major === 0) return argument;
    if (major === 1) return -1n - argument;
    if (argument > BigInt(this.bytes.length - this.at)) throw new MalformedEncoding("it ends too early");
    const count = Number(argument);
    if (major === 2) {
      this.at += count;
      return this.bytes.slice(this.at - count, this.at);
    }
    if (major !== 4) throw new MalformedEncoding(`items of major type ${major} have no place here`);
    const items = [];
    for (let place = 0; place < count; place += 1) items.push(this.read(depth + 1));
    return items;
  }

  readHead() {
    const first = this.readByte();
    const code = first & 31;
    if (code < 24) return [first >> 5, BigInt(code)];
    if (code > 27) throw new MalformedEncoding("an indefinite length");
    const size = 2 ** (code - 24);
    let argument = 0n;
    for (let place = 0; place < size; place += 1) argument = (argument << 8n) | BigInt(this.readByte());
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (argument < least) throw new MalformedEncoding("a head that is longer than it must be");
    return [first >> 5, argument];
  }

  readByte() {
    if (this.at >= this.bytes.length) throw new MalformedEncoding("it ends too early");
    this.at += 1;
    return this.bytes[this.at - 1];
  }
}
