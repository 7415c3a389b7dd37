// Every route of the API, from its own OpenAPI document: fill in, send, read.

import { decode } from "../protocol/cbor.js";
import { toHex } from "../protocol/bytes.js";
import { el, put } from "../parts/dom.js";
import { formatBytes, formatDuration } from "../parts/format.js";
import { getDocument } from "../parts/node.js";
import { makeExample, readOperations } from "../parts/openapi.js";

const SHOWN_MAX = 60_000;
const STREAM_MS = 10_000;

export async function show(main, { operation: chosen }, signal) {
  const document_ = await getDocument("/v1/openapi.json", signal);
  const operations = readOperations(document_);
  const current = operations.find((one) => one.id === chosen) ?? operations[0];
  const groups = group(operations);
  const list = el(
    "nav",
    { class: "operations", "aria-label": "Routes" },
    [...groups].map(([tag, members]) =>
      el("details", { open: members.includes(current) }, el("summary", null, tag), members.map((one) => el("a", { href: `#/console/${one.id}`, "aria-current": one === current ? "page" : null }, el("b", { "data-method": one.method }, one.method), one.path))),
    ),
  );
  put(
    main,
    el("h1", null, "API"),
    el("p", { class: "lead" }, "All routes of this node, drawn from ", el("a", { href: "/v1/openapi.json" }, "its OpenAPI document"), ". What you send here is really sent."),
    el("div", { class: "console" }, list, makeForm(current, signal)),
  );
}

function group(operations) {
  const groups = new Map();
  for (const one of operations) groups.set(one.tag, [...(groups.get(one.tag) ?? []), one]);
  return groups;
}

function makeForm(operation, signal) {
  const fields = operation.parameters.map((parameter) => makeField(parameter));
  const body = operation.body && el("textarea", { rows: 8, spellcheck: "false", "aria-label": "Body" });
  if (body) body.value = operation.body.schema ? JSON.stringify(makeExample(operation.body.schema), null, 2) : "";
  const kind = operation.accepts.length > 1 && el("select", { "aria-label": "Form of the answer" }, operation.accepts.map((one) => el("option", null, one)));
  const line = el("code", { class: "curl" });
  const output = el("div", { class: "answer", "aria-live": "polite" });
  const read = () => {
    const filled = fields.map(({ parameter, input }) => ({ parameter, value: input.value.trim() }));
    const path = filled.filter(({ parameter }) => parameter.in === "path").reduce((text, { parameter, value }) => text.replace(`{${parameter.name}}`, encodeURIComponent(value)), operation.path);
    const query = new URLSearchParams(filled.filter(({ parameter, value }) => parameter.in === "query" && value !== "").map(({ parameter, value }) => [parameter.name, value]));
    const headers = {};
    if (kind) headers.Accept = kind.value;
    if (body) headers["Content-Type"] = operation.body.type;
    const address = query.size ? `${path}?${query}` : path;
    const text = body && operation.body.type !== "application/json" ? fromHexText(body.value) : body?.value;
    return { address, options: { method: operation.method, headers, body: text } };
  };
  const preview = () => {
    const { address, options } = read();
    const parts = ["curl", options.method === "GET" ? "" : `-X ${options.method}`, ...Object.entries(options.headers).map(([name, value]) => `-H '${name}: ${value}'`), body ? `-d '${body.value.replace(/\s+/g, " ")}'` : "", `'${location.origin}${address}'`];
    line.textContent = parts.filter(Boolean).join(" ");
  };
  const form = el(
    "form",
    { class: "card operation" },
    el("h2", null, el("b", { "data-method": operation.method }, operation.method), " ", el("code", null, operation.path)),
    el("p", null, operation.summary, operation.description ? ` ${operation.description}` : ""),
    fields.map(({ label }) => label),
    kind ? el("label", null, "Form of the answer", kind) : null,
    body ? el("label", null, `Body, ${operation.body.type}${operation.body.schema ? "" : " (hex)"}`, body) : null,
    line,
    el("div", { class: "buttons" }, el("button", { class: "primary" }, "Send")),
    output,
  );
  form.addEventListener("input", preview);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { address, options } = read();
    send(address, options, output, signal);
  });
  preview();
  return form;
}

function fromHexText(text) {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));
}

function makeField(parameter) {
  const { schema } = parameter;
  const values = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  const input = values
    ? el("select", null, parameter.required ? null : el("option", { value: "" }, "–"), values.map((value) => el("option", null, value)))
    : el("input", { type: "text", required: parameter.required, spellcheck: "false", autocomplete: "off", placeholder: schema.default ?? schema.examples?.[0] ?? schema.type ?? "" });
  const note = [parameter.required ? "required" : null, schema.minimum === undefined ? null : `${schema.minimum} … ${schema.maximum ?? ""}`].filter(Boolean).join(", ");
  if (parameter.in === "path" && parameter.name === "shard") input.value = "0";
  return { parameter, input, label: el("label", null, el("span", null, el("b", null, parameter.name), note ? el("small", { class: "muted" }, ` ${note}`) : null), schema.description ? el("small", { class: "muted" }, schema.description) : null, input) };
}

async function send(address, options, output, signal) {
  const begun = performance.now();
  put(output, el("p", { class: "muted" }, "Sending…"));
  const stop = new AbortController();
  try {
    const response = await fetch(address, { ...options, signal: AbortSignal.any([signal, stop.signal]) });
    const type = response.headers.get("Content-Type") ?? "";
    const head = (size) => el("p", { class: response.ok ? "good" : "bad" }, el("strong", null, `${response.status} ${response.statusText}`), ` · ${type || "no body"} · ${size} · ${formatDuration(performance.now() - begun)}`);
    const text = el("pre", { tabindex: 0 });
    if (type.includes("event-stream")) {
      put(output, head("open for ten seconds"), text);
      setTimeout(() => stop.abort(), STREAM_MS);
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) text.append(piece);
      return;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    text.textContent = describe(bytes, type).slice(0, SHOWN_MAX);
    put(output, head(formatBytes(bytes.length)), text);
  } catch (error) {
    if (!signal.aborted && !stop.signal.aborted) put(output, el("p", { class: "bad" }, error.message));
  }
}

function describe(bytes, type) {
  if (type.includes("json")) return JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
  if (type.startsWith("text/")) return new TextDecoder().decode(bytes);
  if (type.includes("cbor")) {
    try {
      return writeDiagnostic(decode(bytes), "");
    } catch {
      return toHex(bytes);
    }
  }
  return toHex(bytes.subarray(0, SHOWN_MAX / 2));
}

// CBOR's diagnostic notation (RFC 8949 section 8), indented.
function writeDiagnostic(value, indent) {
  if (value instanceof Uint8Array) return `h'${toHex(value)}'`;
  if (!Array.isArray(value)) return value.toString();
  if (value.every((item) => typeof item === "bigint")) return `[${value.join(", ")}]`;
  return `[\n${value.map((item) => `${indent}  ${writeDiagnostic(item, `${indent}  `)}`).join(",\n")}\n${indent}]`;
}
