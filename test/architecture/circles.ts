import { findRing, importsOf, resolveInside } from "./arrows.ts";
import type { SourceFile } from "./source-text.ts";
import { withoutComments } from "./source-text.ts";

/** What the check saw: the circles, one line each, and how many files and imports between them it read. */
export interface CircleReport {
  readonly circles: readonly string[];
  readonly files: number;
  readonly imports: number;
}

/**
 * Finds every circle of imports between `files` (paths `src/…`), tests and their support among them. An import of types alone is one
 * like every other, and so is the start of a thread: whoever reads either file has to know both.
 */
export function findCircles(files: readonly SourceFile[]): CircleReport {
  const graph = new Map<string, Set<string>>();
  for (const { path } of files) if (path.startsWith("src/")) graph.set(path.slice("src/".length), new Set());
  let imports = 0;
  for (const { path, text } of files) {
    const from = path.replace(/^src\//, "");
    for (const { specifier } of importsOf(from, withoutComments(text))) {
      const target = resolveInside(from, specifier);
      if (target === undefined || !graph.has(target)) continue;
      graph.get(from)?.add(target);
      imports += 1;
    }
  }
  const circles: string[] = [];
  const size = graph.size;
  for (let ring = findRing(graph); ring !== undefined; ring = findRing(graph)) {
    circles.push(`files import each other in a circle: ${ring.join(" -> ")}`);
    // Without the import that closes this circle the next one shows.
    graph.get(ring.at(-2) ?? "")?.delete(ring.at(-1) ?? "");
  }
  return { circles, files: size, imports };
}
