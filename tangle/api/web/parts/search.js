// What somebody who pastes a name is looking for.

import { decodeAddress } from "../protocol/address.js";
import { get, Problem } from "./node.js";
import { paths } from "./links.js";

/** The place of what `text` names; null when this node knows nothing of that name. */
export async function find(text) {
  const word = text.trim().replaceAll(",", "");
  if (/^\d{1,18}$/.test(word)) return paths.checkpoint(word);
  if (decodeAddress(word)) return paths.account(word.toLowerCase());
  if (!/^[0-9a-f]{64}$/i.test(word)) return null;
  const name = word.toLowerCase();
  if (await exists(`/v1/transactions/${name}`)) return paths.transaction(name);
  if (await exists(`/v1/models/${name}?limit=1`)) return paths.job(name);
  if (await exists(`/v1/jobs/${name}`)) return paths.paidJob(name);
  const account = await get(`/v1/accounts/${name}`);
  const isUsed = account.balance !== "0" || account.sequence !== "0";
  return isUsed ? paths.account(account.address) : null;
}

async function exists(path) {
  try {
    await get(path);
    return true;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  }
}
