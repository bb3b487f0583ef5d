import type { HotItems } from "./hot-items.ts";
import { layouts } from "./layout.ts";
import type { Reader } from "./reader.ts";

/** Rows at a time, about a millisecond of work, so that no request waits for it noticeably. */
const ROWS = 200;
const PAUSE_MS = 5;
const FIRST_MS = 1_000;

/**
 * Fills the memory for hot tables after a start, in small portions between the requests: an account that has to be read
 * from the file costs a transfer as much as its decision. Ends when everything is there, or the memory is full.
 */
export function warmUp(reader: Reader, hot: HotItems, capacity: number, firstMs = FIRST_MS): { stop(): void } {
  const tables = layouts.filter((layout) => layout.hot);
  let table = 0;
  let before = Number.MAX_SAFE_INTEGER;
  let timer = setTimeout(portion, firstMs).unref();

  function portion(): void {
    const layout = tables[table];
    if (layout === undefined || hot.size() + ROWS > capacity) return;
    let next: number | undefined;
    try {
      next = reader.warm(layout, before, ROWS);
    } catch {
      // A row that cannot be read is the affair of the request that needs it; the others go on.
      return;
    }
    before = next ?? Number.MAX_SAFE_INTEGER;
    if (next === undefined) table += 1;
    timer = setTimeout(portion, PAUSE_MS).unref();
  }

  return { stop: () => clearTimeout(timer) };
}
