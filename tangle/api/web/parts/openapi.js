// Reading an OpenAPI 3.1 document as far as a form needs it.

/** Every operation, in the document's order. */
export function readOperations(document) {
  const resolve = makeResolver(document);
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== "parameters")
      .map(([method, operation]) => ({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        tag: operation.tags?.[0] ?? "other",
        summary: operation.summary ?? "",
        description: operation.description ?? "",
        parameters: (operation.parameters ?? []).filter((one) => one.in !== "header").map((one) => ({ ...one, schema: resolve(one.schema) })),
        body: readBody(operation.requestBody, resolve),
        accepts: Object.keys(Object.values(operation.responses)[0]?.content ?? {}),
      })),
  );
}

function readBody(body, resolve) {
  if (!body) return null;
  const [type, { schema }] = Object.entries(body.content)[0];
  return { type, schema: type === "application/json" ? resolve(schema, 4) : null };
}

// Follows references, as deep as an example needs.
function makeResolver(document) {
  const resolve = (schema, depth = 1) => {
    if (!schema || depth < 0) return schema ?? {};
    if (schema.$ref) return resolve(document.components.schemas[schema.$ref.split("/").pop()], depth);
    const resolved = { ...schema };
    if (schema.properties) {
      resolved.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => [name, resolve(part, depth - 1)]));
    }
    if (schema.items && schema.items !== true) resolved.items = resolve(schema.items, depth - 1);
    if (schema.anyOf) resolved.anyOf = schema.anyOf.map((part) => resolve(part, depth - 1));
    return resolved;
  };
  return resolve;
}

/** A value of a schema's form, to begin with. */
export function makeExample(schema) {
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return makeExample(schema.anyOf.find((part) => part.type !== "null") ?? {});
  if (schema.properties) {
    const required = Object.entries(schema.properties).filter(([name]) => (schema.required ?? []).includes(name) || name === "work");
    return Object.fromEntries(required.map(([name, part]) => [name, makeExample(part)]));
  }
  return { array: [], boolean: false, integer: 0, number: 0, string: "" }[schema.type] ?? null;
}
