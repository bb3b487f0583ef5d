import { Agent, request, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "../test/crash/connection.ts";
import { createHistogram } from "./histogram.ts";
import { createRequests } from "./requests.ts";
import { readSeed } from "./seed-file.ts";

/** What this process is told on its command line, as JSON. */
export interface StreamOrder {
  readonly port: number;
  readonly seedDir: string;
  readonly streams: number;
  readonly eventsPerSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly run: string;
}

/** What this process prints, as JSON. Durations in milliseconds, from an event's `created_at` to its arrival. */
export interface StreamResult {
  readonly perSecond: number;
  readonly delivered: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly mean: number;
  readonly max: number;
  /** Streams that were refused or ended, and transfers that were not posted. */
  readonly errors: number;
  readonly posted: number;
  /** Deliveries that never came, and that came more than once. */
  readonly missing: number;
  readonly repeated: number;
}

/** Streams opened at the same time. */
const OPEN_AT_ONCE = 50;
/** How long the last deliveries are waited for. */
const DRAIN_MS = 5_000;

/** Opens many streams, makes transfers at a steady pace, and books every arrival on every stream. */
async function main(order: StreamOrder): Promise<StreamResult> {
  const seed = readSeed(order.seedDir);
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const delays = createHistogram();
  /** Arrivals of each stream, since its opening. */
  const arrived = new Uint32Array(order.streams);
  let errors = 0;
  let posted = 0;
  let measuring = false;
  let ending = false;

  const take = (stream: number, response: IncomingMessage): void => {
    let rest = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const created = /"created_at":"([^"]+)"/.exec(block)?.[1];
        if (created === undefined) continue;
        arrived[stream] = (arrived[stream] ?? 0) + 1;
        if (measuring) delays.add(Math.max(0, Date.now() - Date.parse(created)));
      }
    });
    const over = (): void => {
      if (!ending) errors += 1;
    };
    response.on("error", over).on("end", over);
  };
  const open = (stream: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const path = "/v1/events/stream?types=transfer.posted";
      const sent = request({ host: "127.0.0.1", port: order.port, path, agent, headers: { "x-api-key": seed.apiKey } }, (response) => {
        if (response.statusCode !== 200) return reject(new Error(`a stream was answered ${response.statusCode}`));
        take(stream, response);
        return resolve();
      });
      sent.on("error", (error) => (ending ? undefined : reject(error)));
      sent.end();
    });
  for (let start = 0; start < order.streams; start += OPEN_AT_ONCE) {
    const count = Math.min(OPEN_AT_ONCE, order.streams - start);
    await Promise.all(Array.from({ length: count }, (_, n) => open(start + n)));
  }

  const next = createRequests(seed, { kind: "transfer_single", zipf: 0, batch: 1, run: order.run })();
  const connection = openConnection(order.port, {
    answered({ status }) {
      if (status === 201) posted += 1;
      else errors += 1;
    },
    broken() {
      if (!ending) errors += 1;
    },
  });
  /** Makes transfers for so long; an answer that is late makes the next one late, and none is made up for. */
  const pace = async (seconds: number): Promise<void> => {
    const from = performance.now();
    for (let n = 0; n < seconds * order.eventsPerSecond; n++) {
      const wanted = posted + errors + 1;
      connection.send(next());
      while (posted + errors < wanted && performance.now() - from < (seconds + 1) * 1000) await sleep(1);
      const due = from + ((n + 1) * 1000) / order.eventsPerSecond;
      if (due > performance.now()) await sleep(due - performance.now());
    }
  };

  await pace(order.warmUpSeconds);
  measuring = true;
  const from = performance.now();
  await pace(order.seconds);
  // The last ones are on their way.
  const all = (): boolean => arrived.every((count) => count >= posted);
  const paced = performance.now();
  while (!all() && performance.now() - paced < DRAIN_MS) await sleep(5);
  measuring = false;
  ending = true;
  const took = (performance.now() - from) / 1000;
  let missing = 0;
  let repeated = 0;
  for (const count of arrived) {
    missing += Math.max(0, posted - count);
    repeated += Math.max(0, count - posted);
  }
  return {
    perSecond: delays.count / took,
    delivered: delays.count,
    p50: delays.percentile(0.5),
    p95: delays.percentile(0.95),
    p99: delays.percentile(0.99),
    mean: delays.mean,
    max: delays.max,
    errors,
    posted,
    missing,
    repeated,
  };
}

process.stdout.write(JSON.stringify(await main(JSON.parse(process.argv[2] ?? "") as StreamOrder)));
process.exit(0);
