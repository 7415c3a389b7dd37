// Addresses: bech32m (BIP-350) of a version byte and a public key (docs/protocol.md 5.4).

import { concat } from "./bytes.js";

const LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECK = 0x2bc830a3;
const LENGTH_MAX = 90;

/** The address of a public key under a network's prefix. */
export function encodeAddress(prefix, publicKey) {
  const groups = regroup(concat(Uint8Array.of(0), publicKey), 8, 5, true);
  const mark = checksum([...expand(prefix), ...groups, 0, 0, 0, 0, 0, 0]) ^ CHECK;
  const check = [25, 20, 15, 10, 5, 0].map((shift) => (mark >> shift) & 31);
  return `${prefix}1${[...groups, ...check].map((group) => LETTERS[group]).join("")}`;
}

/** Prefix and public key of an address; null when it is mistyped or none. */
export function decodeAddress(text) {
  const parts = decodeBech32m(text);
  const bytes = parts && regroup(parts.groups, 5, 8, false);
  if (!bytes || bytes.length !== 33 || bytes[0] !== 0) return null;
  return { prefix: parts.prefix, publicKey: Uint8Array.from(bytes.slice(1)) };
}

/** Prefix and groups of five bits of a bech32m text, its checksum checked; null when it does not hold. */
export function decodeBech32m(text) {
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return null;
  const lower = text.toLowerCase();
  const split = lower.lastIndexOf("1");
  if (split < 1 || lower.length > LENGTH_MAX || lower.length - split < 7) return null;
  if (!/^[\x21-\x7e]*$/.test(text)) return null;
  const groups = Array.from(lower.slice(split + 1), (letter) => LETTERS.indexOf(letter));
  const prefix = lower.slice(0, split);
  if (groups.includes(-1) || checksum([...expand(prefix), ...groups]) !== CHECK) return null;
  return { prefix, groups: groups.slice(0, -6) };
}

function expand(prefix) {
  const codes = Array.from(prefix, (letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function checksum(groups) {
  let sum = 1;
  for (const group of groups) {
    const top = sum >> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ group;
    GENERATORS.forEach((generator, bit) => {
      if ((top >> bit) & 1) sum ^= generator;
    });
  }
  return sum;
}

function regroup(values, from, to, isPadded) {
  const groups = [];
  let held = 0;
  let bits = 0;
  for (const value of values) {
    held = (held << from) | value;
    bits += from;
    while (bits >= to) {
      bits -= to;
      groups.push((held >> bits) & ((1 << to) - 1));
      held &= (1 << bits) - 1;
    }
  }
  if (isPadded && bits) groups.push((held << (to - bits)) & ((1 << to) - 1));
  if (!isPadded && (bits >= from || held !== 0)) return null;
  return groups;
}
