// Figures and names as people read them. Amounts stay exact: they are BigInt from end to end.

const GRAINS = 1_000_000_000n;

/** Grains as MST without rounding: `1,234.5`. */
export function formatAmount(grains) {
  const value = BigInt(grains);
  const sign = value < 0n ? "−" : "";
  const size = value < 0n ? -value : value;
  const part = (size % GRAINS).toString().padStart(9, "0").replace(/0+$/, "");
  return `${sign}${formatCount(size / GRAINS)}${part ? `.${part}` : ""}`;
}

/** MST as grains; null for what is no amount. */
export function parseAmount(text) {
  const match = /^(\d{1,10})(?:\.(\d{1,9}))?$/.exec(text.trim().replaceAll(",", ""));
  if (!match) return null;
  const grains = BigInt(match[1]) * GRAINS + BigInt((match[2] ?? "").padEnd(9, "0"));
  return grains < 2n ** 63n ? grains : null;
}

/** An integer with its thousands apart. */
export const formatCount = (value) => value.toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** The two ends of a long name. */
export const shorten = (text, head = 8, tail = 6) =>
  text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;

/** Bytes with a unit of 1,024. */
export function formatBytes(count) {
  let value = Number(count);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024 || unit === "GiB") return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1024;
  }
  return "";
}

/** Milliseconds in the unit that fits. */
export function formatDuration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** A point in time, in the reader's zone. */
export function formatTime(ms) {
  return new Date(Number(ms)).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** A share as a percentage. */
export const formatShare = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");

/** A number of things a second. */
export const formatRate = (value) => (value >= 100 ? formatCount(Math.round(value)) : value.toFixed(1));
