import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../test/crash/server-process.ts";
import { createHistogram, type Histogram } from "./histogram.ts";
import type { LoadOrder } from "./load.ts";
import { runScript } from "./measure-row.ts";
import { readSeed } from "./seed-file.ts";
import type { WorkerMeasured } from "./worker-result.ts";
import { watchCores } from "./worker-result.ts";

/** How long transfers are made while the receiver lets its requests wait: less than a delivery is waited for. */
const FILL_SECONDS = 3;
const FILL = { kind: "transfer_batch", connections: 2, batch: 100, zipf: 0, warmUpSeconds: 0 } as const;
/** Nothing for so long: everything is delivered. */
const CALM_MS = 2_000;

/** A receiver that lets everything wait until it is released, and then answers at once. */
interface Receiver {
  readonly url: string;
  readonly arrivals: Histogram;
  /** Deliveries since the release. */
  readonly deliveries: number;
  /** Those that waited for the release. */
  readonly held: number;
  /** Deliveries whose id had come before. */
  readonly repeated: number;
  readonly lastAt: number;
  release(): void;
  close(): Promise<void>;
}

async function openReceiver(): Promise<Receiver> {
  const arrivals = createHistogram();
  const seen = new Set<string>();
  let waiting: ServerResponse[] | undefined = [];
  let repeated = 0;
  let lastAt = 0;
  let held = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const id = String(request.headers["webhook-id"]);
      if (waiting === undefined) {
        const now = performance.now();
        arrivals.add(now - lastAt);
        lastAt = now;
        if (seen.has(id)) repeated += 1;
        seen.add(id);
        response.writeHead(204).end();
      } else {
        held += 1;
        seen.add(id);
        waiting.push(response);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    arrivals,
    get held() {
      return held;
    },
    get deliveries() {
      return arrivals.count;
    },
    get repeated() {
      return repeated;
    },
    get lastAt() {
      return lastAt;
    },
    release() {
      const responses = waiting ?? [];
      waiting = undefined;
      lastAt = performance.now();
      for (const response of responses) response.writeHead(204).end();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * `webhook_deliveries`: how many deliveries a second one fast receiver on this machine is sent while there is a backlog. The backlog is made by
 * transfers in batches while the receiver answers nothing; the clock starts when it begins to answer, and no transfer is made any more.
 * @param dataDir a copy of seeded data
 * @param seconds measured at most; less where the backlog is delivered before
 */
export async function measureWebhooks(dataDir: string, seedDir: string, seconds: number, run: string): Promise<WorkerMeasured> {
  const { apiKey } = readSeed(seedDir);
  const receiver = await openReceiver();
  const settings = { SMARTFINANCE_DEMO: "false", SMARTFINANCE_WEBHOOK_DEVELOPMENT: "true" };
  const server = await startServer({ store: { kind: "sqlite" }, dataDir, settings });
  try {
    const made = await fetch(`http://127.0.0.1:${server.port}/v1/webhook-endpoints`, {
      method: "POST",
      headers: { "x-api-key": apiKey, "content-type": "application/json" },
      body: JSON.stringify({ url: receiver.url, event_types: ["transfer.posted"] }),
    });
    if (made.status !== 201) throw new Error(`no webhook endpoint: ${await made.text()}`);
    const order: LoadOrder = { ...FILL, port: server.port, seedDir, seconds: FILL_SECONDS, run };
    const { posted } = JSON.parse(await runScript("./load.ts", order)) as { readonly posted: number };
    const cores = watchCores(server.pid);
    receiver.release();
    const began = performance.now();
    const left = () => performance.now() - began < seconds * 1000 && performance.now() - receiver.lastAt < CALM_MS;
    while (left()) await sleep(20);
    const used = cores();
    const { held, deliveries, repeated, arrivals } = receiver;
    const took = (receiver.lastAt - began) / 1000;
    return {
      name: "webhook_deliveries",
      perSecond: deliveries === 0 ? 0 : deliveries / took,
      unit: "deliveries/s",
      durations: arrivals,
      errors: 0,
      counts: { backlog: posted, held, deliveries, repeated },
      conditions: { durations: "between two arrivals", receivers: 1, receiver: "same machine, answers 204 at once", ...used },
      violations: deliveries === 0 ? ["nothing was delivered"] : [],
    };
  } finally {
    await server.stop();
    await receiver.close();
  }
}
