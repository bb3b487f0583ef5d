/**
 * A schema as the OpenAPI document shows it. The generator knows nothing of `patternProperties` and would lose the pattern of
 * the names, which `propertyNames` says as well (both JSON Schema 2020-12); `examples` of bodies and answers stand beside the
 * schema in OpenAPI, and are put there by `openapi-operation.ts`. A constant says by itself what it is.
 * @param isWhole whether this is the schema of a whole body or answer, whose `examples` go elsewhere
 */
export function describable(schema: unknown, isWhole = false): unknown {
  if (Array.isArray(schema)) return schema.map((part) => describable(part));
  if (typeof schema !== "object" || schema === null) return schema;
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === "examples") {
      if (!isWhole) copy[name] = value;
    } else if (name === "properties" && typeof value === "object" && value !== null) {
      copy[name] = Object.fromEntries(Object.entries(value).map(([property, part]) => [property, describable(part)]));
    } else copy[name] = describable(value);
  }
  const { patternProperties } = copy;
  if (typeof patternProperties === "object" && patternProperties !== null) {
    const [only, ...others] = Object.entries(patternProperties);
    // Names of several kinds have no equivalent; none of our schemas has them.
    if (only !== undefined && others.length === 0) {
      delete copy["patternProperties"];
      copy["additionalProperties"] = only[1];
      if (only[0] !== ANY_NAME) copy["propertyNames"] = { pattern: only[0] };
    }
  }
  if (typeof copy["const"] === "string" && copy["description"] === undefined) copy["description"] = `Always \`${copy["const"]}\`.`;
  return copy;
}

/** What TypeBox writes for a record with any names. */
const ANY_NAME = "^.*$";
