// Ed25519 by the platform's own WebCrypto, with the protocol's purposes (docs/protocol.md 5.3).
//
// WebCrypto leaves open whether keys of low order pass; the protocol refuses them, so they are refused here first.

import { ascii, concat, toHex } from "./bytes.js";

const PRIME = 2n ** 255n - 19n;
const LOW_ORDER = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);
const SEED_HEAD = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32); // PKCS #8, RFC 8410

/** Whether this browser can check signatures here; over plain HTTP from another machine none can. */
export const hasWebCrypto = () => globalThis.crypto?.subtle !== undefined;

/** The bytes that are signed: purpose, a zero, the chain, the body. */
export function makeMessage(purpose, chain, body) {
  return concat(ascii(purpose), Uint8Array.of(0), chain, body);
}

/** Whether `signature` is the key's over `message`, by the protocol's rules. */
export async function isSigned(message, signature, publicKey) {
  if (signature.length !== 64 || !isUsable(publicKey) || !isUsable(signature.subarray(0, 32))) return false;
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
  } catch (error) {
    if (error.name === "NotSupportedError") throw error;
    return false; // not a point of the curve
  }
}

// Canonical, and not one of the points whose multiples come back to the start after at most eight.
function isUsable(point) {
  if (point.length !== 32) return false;
  const y = BigInt(`0x${toHex(point.slice().reverse())}`) & (2n ** 255n - 1n);
  return y < PRIME && !LOW_ORDER.has(y);
}

/** A key pair from 32 secret bytes: the public key, and a function that signs a message. */
export async function makeSigner(seed) {
  const options = [{ name: "Ed25519" }, true, ["sign"]];
  const key = await crypto.subtle.importKey("pkcs8", concat(SEED_HEAD, seed), ...options);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  const publicKey = ascii(atob(x.replaceAll("-", "+").replaceAll("_", "/")));
  const sign = async (message) => new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key, message));
  return { publicKey, sign };
}
