import type { Result } from "./rows.ts";

const WIDTH = 760;
const LABEL_WIDTH = 250;
const BAR_HEIGHT = 18;
const ROW_HEIGHT = 30;
const VALUE_WIDTH = 190;
const HEADING_HEIGHT = 36;

const escape = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

/** Rows of one unit and store share a scale; a picture that mixed them would only mislead. */
function groupsOf(results: readonly Result[]): Map<string, Result[]> {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const batch = result.conditions["transfers_per_request"] === undefined ? "" : ", in batches";
    const title = `${result.unit}${batch} (${String(result.conditions["store"])})`;
    const group = groups.get(title);
    if (group === undefined) groups.set(title, [result]);
    else group.push(result);
  }
  return groups;
}

/** Draws bars of the rows that `--json` printed, as a picture that reads on light and dark ground. */
export function drawResults(results: readonly Result[]): string {
  const parts: string[] = [];
  let y = 0;
  for (const [title, rows] of groupsOf(results)) {
    const most = Math.max(...rows.map(({ value }) => value), 1);
    parts.push(`<text x="0" y="${y + 22}" font-weight="bold">${escape(title)}</text>`);
    y += HEADING_HEIGHT;
    for (const { name, value, unit, p99_ms, conditions } of rows) {
      const length = Math.max(1, Math.round(((WIDTH - LABEL_WIDTH - VALUE_WIDTH) * value) / most));
      const figure = value.toLocaleString("en-GB", { maximumFractionDigits: 0 });
      const note = unit === "ms" ? `${figure} ms` : `${figure}, p99 ${p99_ms} ms${conditions["busy_machine"] === true ? " *" : ""}`;
      parts.push(
        `<text x="0" y="${y + 14}">${escape(name)}</text>`,
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2" fill="#3b82f6"/>`,
        `<text x="${LABEL_WIDTH + length + 6}" y="${y + 14}">${escape(note)}</text>`,
      );
      y += ROW_HEIGHT;
    }
  }
  if (results.some(({ conditions }) => conditions["busy_machine"] === true)) {
    parts.push(`<text x="0" y="${y + 14}" font-size="12">* other programs used the machine meanwhile</text>`);
    y += ROW_HEIGHT;
  }
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="13">`;
  const style = "<style>text{fill:#1f2937}@media (prefers-color-scheme:dark){text{fill:#e5e7eb}}</style>";
  return `${[open, style, ...parts].join("\n")}\n</svg>\n`;
}
