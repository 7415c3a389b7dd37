// Asking this node. Every refusal is a problem document with a stable code; a node that is away is another thing.

/** A refused request (RFC 9457). */
export class Problem extends Error {
  name = "Problem";

  constructor(document, status) {
    super(document.detail ?? `the node answered ${status}`);
    this.code = document.code ?? "unknown";
    this.status = status;
    this.retryAfterS = document.retry_after_s ?? null;
  }
}

/** The node did not answer at all. */
export class Away extends Error {
  name = "Away";
}

const ANSWER_TIMEOUT_MS = 10_000;

async function ask(path, { signal, ...options } = {}) {
  const limits = [AbortSignal.timeout(ANSWER_TIMEOUT_MS), ...(signal ? [signal] : [])];
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.any(limits) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Away("the node does not answer");
  }
  if (response.ok) return response;
  const isProblem = response.headers.get("Content-Type")?.includes("json");
  if (!isProblem && response.status >= 500) throw new Away("something between here and the node answers for it");
  throw new Problem(isProblem ? await response.json() : {}, response.status);
}

/** The `data` of a JSON answer. */
export const get = async (path, signal) => (await (await ask(path, { signal })).json()).data;

/** One page: `data` and where the next one begins. */
export async function getPage(path, cursor, signal) {
  const join = path.includes("?") ? "&" : "?";
  const answer = await (await ask(cursor ? `${path}${join}cursor=${cursor}` : path, { signal })).json();
  return { items: answer.data, next: answer.meta.next_cursor };
}

/** The bytes of an answer. */
export async function getBytes(path, accept = "application/cbor", signal) {
  const response = await ask(path, { signal, headers: { Accept: accept } });
  return new Uint8Array(await response.arrayBuffer());
}

/** A JSON document that has no envelope. */
export const getDocument = async (path, signal) => (await ask(path, { signal })).json();
