import { startServer } from "../test/crash/server-process.ts";
import { runScript } from "./measure-row.ts";
import type { Result } from "./rows.ts";
import type { StreamOrder, StreamResult } from "./stream-client.ts";
import { watchCores } from "./worker-result.ts";

const STREAMS = 1_000;
const EVENTS_PER_SECOND = 10;

/**
 * `open_streams`: how many events a second reach a thousand open streams of one organisation, and how long after the commit. Events come at
 * a steady pace, so the rate is given and the delay is what is measured; a delivery that is missing is a violation.
 * @param dataDir a copy of seeded data
 */
export async function measureStreams(
  dataDir: string,
  seedDir: string,
  times: { readonly warmUpSeconds: number; readonly seconds: number; readonly run: string },
  conditions: Result["conditions"],
): Promise<Result> {
  const settings = {
    SMARTFINANCE_DEMO: "false",
    SMARTFINANCE_MAX_STREAMS: String(STREAMS),
    SMARTFINANCE_MAX_STREAMS_PER_KEY: String(STREAMS),
    // The streams, what makes the transfers, and what looks whether the server is there.
    SMARTFINANCE_MAX_CONNECTIONS_PER_ADDRESS: String(STREAMS + 100),
  };
  const server = await startServer({ store: { kind: "sqlite" }, dataDir, settings });
  try {
    const order: StreamOrder = { port: server.port, seedDir, streams: STREAMS, eventsPerSecond: EVENTS_PER_SECOND, ...times };
    const cores = watchCores(server.pid);
    const { perSecond, delivered, p50, p95, p99, mean, max, errors, posted, missing, repeated } = JSON.parse(
      await runScript("./stream-client.ts", order),
    ) as StreamResult;
    return {
      name: "open_streams",
      value: perSecond,
      unit: "deliveries/s",
      p50_ms: p50,
      p95_ms: p95,
      p99_ms: p99,
      mean_ms: mean,
      max_ms: max,
      errors,
      counts: { events: posted, delivered, missing, repeated },
      conditions: {
        ...conditions,
        streams: STREAMS,
        events_per_second: EVENTS_PER_SECOND,
        durations: "from an event's created_at to its arrival, in whole ms",
        ...cores(),
      },
      violations: missing === 0 && posted > 0 ? [] : [`${missing} deliveries of ${posted} events are missing`],
    };
  } finally {
    await server.stop();
  }
}
