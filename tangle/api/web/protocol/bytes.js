// Byte strings: hexadecimal, comparison, joining, and the little text that the protocol has.

/** Lower-case hex of a Uint8Array. */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of an even number of hex digits, in either case; throws a RangeError for anything else. */
export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new RangeError("not hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** One byte string of several. */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether two byte strings are the same. */
export function isEqual(left, right) {
  return left.length === right.length && left.every((byte, place) => byte === right[place]);
}

/** The bytes of an ASCII text. */
export function ascii(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** The text of ASCII bytes. */
export function toText(bytes) {
  return String.fromCharCode(...bytes);
}
