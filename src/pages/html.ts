/** A piece of a page that is HTML already. Only `html` makes one, so everything else is escaped. */
export interface Html {
  readonly html: string;
}

type Value = string | number | Html | readonly Html[] | undefined;

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function textOf(value: Value): string {
  if (value === undefined) return "";
  if (typeof value === "string" || typeof value === "number") return String(value).replaceAll(/[&<>"']/g, (found) => ESCAPES[found] ?? "");
  return "html" in value ? value.html : value.map((one) => one.html).join("");
}

/**
 * HTML from a template; what is put in is escaped for texts and for attributes in double quotes, which every attribute here must
 * have. `undefined` leaves nothing.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  let text = parts[0] ?? "";
  for (const [n, value] of values.entries()) text += textOf(value) + (parts[n + 1] ?? "");
  return { html: text };
}
