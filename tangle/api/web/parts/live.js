// Whether the node is there and up to date, and what it says of itself once a second.
//
// Four states: connecting (no answer yet), live, stale (it answers, but its last final checkpoint is old or it is
// not ready), disconnected (no answer). While disconnected the last figures stay on the screen, marked as old.

import { Away, get, Problem } from "./node.js";

const PERIOD_MS = 1_000;
const HIDDEN_PERIOD_MS = 10_000;
const RETRY_MS_MAX = 15_000;
const STALE_MS = 15_000;

export const STATES = ["connecting", "live", "stale", "disconnected"];

class Live extends EventTarget {
  state = "connecting";
  status = null;
  heardAt = null;
  retryAt = null;
  #failures = 0;
  #timer = null;

  /** Begin asking. */
  start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    window.addEventListener("online", () => this.hurry());
    this.#tick();
  }

  /** Ask now instead of later. */
  hurry() {
    clearTimeout(this.#timer);
    this.#tick();
  }

  /** Call `listener` now, if there is something to tell, and with every answer until `signal` ends it. */
  follow(listener, signal) {
    const tell = () => this.status && listener();
    this.addEventListener("change", tell, { signal });
    tell();
  }

  async #tick() {
    let wait = document.hidden ? HIDDEN_PERIOD_MS : PERIOD_MS;
    try {
      this.status = await get("/v1/status");
      this.heardAt = Date.now();
      this.#failures = 0;
      this.state = this.status.is_ready && Number(this.status.checkpoint_age_ms) < STALE_MS ? "live" : "stale";
    } catch (error) {
      if (error instanceof Problem) {
        this.state = "stale";
        wait = 1_000 * (error.retryAfterS ?? 2);
      } else {
        if (!(error instanceof Away)) throw error;
        this.#failures += 1;
        this.state = "disconnected";
        wait = Math.min(RETRY_MS_MAX, 500 * 2 ** this.#failures);
      }
    }
    this.retryAt = Date.now() + wait;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), wait);
    this.dispatchEvent(new Event("change"));
  }
}

/** The one connection of this page. */
export const live = new Live();

/** Call `look` now and again, never twice at once, until `signal` ends it; faults of the network only delay it. */
export async function repeat(look, periodMs, signal) {
  while (!signal.aborted) {
    try {
      if (!document.hidden) await look();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Away || error instanceof Problem)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, periodMs));
  }
}
