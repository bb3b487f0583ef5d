import { rmSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../test/crash/server-process.ts";
import type { Result } from "./rows.ts";

const STARTS = 7;

/** The median time from the spawn of the process to its first 200 of GET /healthz, on this data or on none. */
export async function measureStartUp(workDir: string, dataDir: string | undefined, conditions: Result["conditions"]): Promise<Result> {
  const times: number[] = [];
  for (let n = 0; n < STARTS; n++) {
    const empty = join(workDir, `empty-${n}`);
    const server = await startServer({ store: { kind: "sqlite" }, dataDir: dataDir ?? empty });
    times.push(server.startMs);
    await server.stop();
    rmSync(empty, { recursive: true, force: true });
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(STARTS - 1, Math.floor(share * STARTS))] ?? 0;
  return {
    name: dataDir === undefined ? "start_up/empty" : "start_up",
    value: at(0.5),
    unit: "ms",
    p50_ms: at(0.5),
    p95_ms: at(0.95),
    p99_ms: at(0.99),
    mean_ms: times.reduce((sum, time) => sum + time, 0) / STARTS,
    max_ms: at(1),
    errors: 0,
    conditions: { ...conditions, data: dataDir === undefined ? "empty store, demo organisation made" : "existing", starts: STARTS },
    violations: [],
  };
}
