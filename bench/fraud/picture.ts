import type { FeatureImportance } from "#model/index.ts";

const WIDTH = 640;
const HEIGHT = 420;
const LEFT = 56;
const BOTTOM = 48;
const TOP = 64;
const LEGEND_Y = 46;
const LEGEND_STEP = 190;
const RIGHT = 20;
const COLOURS = ["#3b82f6", "#f97316", "#10b981"];
const STYLE =
  "<style>text{fill:#1f2937}.axis{stroke:#9ca3af}@media (prefers-color-scheme:dark){text{fill:#e5e7eb}.axis{stroke:#6b7280}}</style>";

const escape = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

export interface Line {
  readonly name: string;
  /** Both between 0 and 1. */
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dots?: boolean;
}

const px = (x: number): number => Math.round((LEFT + x * (WIDTH - LEFT - RIGHT)) * 10) / 10;
const py = (y: number): number => Math.round((HEIGHT - BOTTOM - y * (HEIGHT - BOTTOM - TOP)) * 10) / 10;

/** Leaves out points that would fall on the pixel before. */
function path(points: Line["points"]): string {
  let before = "";
  const parts: string[] = [];
  for (const [x, y] of points) {
    const at = `${Math.round(px(x))},${Math.round(py(y))}`;
    if (at !== before) parts.push(at);
    before = at;
  }
  return `M${parts.join("L")}`;
}

function frame(height: number, parts: readonly string[]): string {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">`;
  return `${[open, STYLE, ...parts].join("\n")}\n</svg>\n`;
}

/** Lines over the unit square, as a picture that reads on light and dark ground. */
export function drawLines(title: string, xName: string, yName: string, lines: readonly Line[], diagonal: boolean): string {
  const parts = [`<text x="${LEFT}" y="22" font-weight="bold">${escape(title)}</text>`];
  for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    parts.push(
      `<path class="axis" d="M${px(tick)},${py(0)}V${py(1)}M${px(0)},${py(tick)}H${px(1)}" fill="none" stroke-width="0.5"/>`,
      `<text x="${px(tick)}" y="${py(0) + 18}" text-anchor="middle">${tick}</text>`,
      `<text x="${px(0) - 8}" y="${py(tick) + 4}" text-anchor="end">${tick}</text>`,
    );
  }
  parts.push(
    `<text x="${px(0.5)}" y="${HEIGHT - 8}" text-anchor="middle">${escape(xName)}</text>`,
    `<text transform="translate(14 ${py(0.5)}) rotate(-90)" text-anchor="middle">${escape(yName)}</text>`,
  );
  if (diagonal) parts.push(`<path class="axis" d="M${px(0)},${py(0)}L${px(1)},${py(1)}" fill="none" stroke-dasharray="4 4"/>`);
  for (const [index, { name, points, dots }] of lines.entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? "";
    parts.push(`<path d="${path(points)}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [x, y] of dots === true ? points : []) parts.push(`<circle cx="${px(x)}" cy="${py(y)}" r="3.5" fill="${colour}"/>`);
    const x = LEFT + LEGEND_STEP * index;
    parts.push(
      `<rect x="${x}" y="${LEGEND_Y - 10}" width="14" height="10" fill="${colour}"/>`,
      `<text x="${x + 20}" y="${LEGEND_Y}">${escape(name)}</text>`,
    );
  }
  return frame(HEIGHT, parts);
}

/** The features that brought most, as bars. */
export function drawImportance(title: string, features: readonly FeatureImportance[], most: number): string {
  const shown = features.slice(0, most).filter(({ share }) => share > 0);
  const scale = (WIDTH - 330) / Math.max(...shown.map(({ share }) => share), 1e-9);
  const parts = [`<text x="0" y="22" font-weight="bold">${escape(title)}</text>`];
  for (const [index, { name, share }] of shown.entries()) {
    const y = 40 + 24 * index;
    const length = Math.max(1, Math.round(scale * share));
    parts.push(
      `<text x="0" y="${y + 13}">${escape(name)}</text>`,
      `<rect x="270" y="${y}" width="${length}" height="16" rx="2" fill="${COLOURS[0]}"/>`,
      `<text x="${276 + length}" y="${y + 13}">${(100 * share).toFixed(1)} %</text>`,
    );
  }
  return frame(48 + 24 * shown.length, parts);
}
