import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, openConnection } from "../test/crash/connection.ts";
import { createHistogram } from "./histogram.ts";
import { createRequests, type RequestPlan } from "./requests.ts";
import { readSeed } from "./seed-file.ts";

/** What this process is told on its command line, as JSON. */
export interface LoadOrder extends RequestPlan {
  readonly port: number;
  readonly seedDir: string;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** What this process prints, as JSON. Durations in milliseconds. */
export interface LoadResult {
  /** Transfers or reads answered well inside the measured time, and a second's share of them. */
  readonly done: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly mean: number;
  readonly max: number;
  /** Answers of another status than wanted, and connections that broke: of the whole run. */
  readonly errors: number;
  readonly errorStatuses: Readonly<Record<string, number>>;
  /** Requests that carried a quota (`RateLimit` header) among all: every one is limit-checked. */
  readonly limitChecked: number;
  readonly requests: number;
  /** Transfers of the whole run, warm-up included: posted, waiting for a review, refused with a reason. */
  readonly posted: number;
  readonly reviewed: number;
  readonly refused: number;
  /** Transfers sent and not answered: nobody knows of them. */
  readonly unknown: number;
  /** CPU seconds this process used in the measured time. */
  readonly cpuSeconds: number;
}

/** How long the last answers are waited for. */
const DRAIN_MS = 10_000;
const RATE_LIMIT = "\r\nratelimit: ";

function occurrences(body: Buffer, text: string): number {
  let found = 0;
  for (let at = body.indexOf(text, 0, "latin1"); at !== -1; at = body.indexOf(text, at + text.length, "latin1")) found += 1;
  return found;
}

/** Keeps every connection busy with one request at a time until the time is over (closed loop). */
async function main(order: LoadOrder): Promise<LoadResult> {
  const nextRequests = createRequests(readSeed(order.seedDir), order);
  const histogram = createHistogram();
  const isRead = order.kind === "read_account" || order.kind === "read_transaction";
  const isBatch = order.kind === "transfer_batch";
  const size = isBatch ? order.batch : 1;
  const total = { requests: 0, limitChecked: 0, errors: 0, posted: 0, reviewed: 0, refused: 0, unknown: 0 };
  const errorStatuses: Record<string, number> = {};
  let done = 0;
  let measuring = false;
  let ending = false;
  let open = 0;

  const failed = (what: string): void => {
    total.errors += 1;
    errorStatuses[what] = (errorStatuses[what] ?? 0) + 1;
  };

  /** Books an answer; gives how many transfers or reads it did. */
  const book = ({ status, head, body }: Answer): number => {
    if (head.includes(RATE_LIMIT)) total.limitChecked += 1;
    if (isRead) {
      if (status === 200) return 1;
      failed(String(status));
      return 0;
    }
    if (isBatch) {
      const posted = status === 200 ? occurrences(body, '"status":201,') : 0;
      const reviewed = status === 200 ? occurrences(body, '"status":202,') : 0;
      total.posted += posted;
      total.reviewed += reviewed;
      if (status === 200) total.refused += size - posted - reviewed;
      else failed(`${status} ${/"code":"([a-z_]+)"/.exec(body.toString())?.[1] ?? ""}`);
      return posted + reviewed;
    }
    if (status === 201) total.posted += 1;
    else if (status === 202) total.reviewed += 1;
    else {
      // The ledger's own refusals have these two; everything else went wrong.
      if (status === 409 || status === 422) total.refused += 1;
      else failed(String(status));
      return 0;
    }
    return 1;
  };

  const lane = (): Promise<() => void> =>
    new Promise((opened) => {
      const next = nextRequests();
      let sentAt = 0;
      let busy = false;
      const send = (): void => {
        if (ending) return;
        total.requests += 1;
        busy = true;
        open += 1;
        sentAt = performance.now();
        connection.send(next());
      };
      const connection = openConnection(order.port, {
        opened: () => opened(send),
        answered(answer) {
          const took = performance.now() - sentAt;
          busy = false;
          open -= 1;
          const did = book(answer);
          if (measuring) {
            done += did;
            histogram.add(took);
          }
          send();
        },
        broken(error) {
          failed(error.message);
          if (busy) {
            open -= 1;
            total.unknown += size;
          }
          opened(() => undefined);
        },
      });
    });

  const begin = await Promise.all(Array.from({ length: order.connections }, lane));
  for (const send of begin) send();
  await sleep(order.warmUpSeconds * 1000);
  measuring = true;
  const cpu = process.cpuUsage();
  const from = performance.now();
  await sleep(order.seconds * 1000);
  measuring = false;
  ending = true;
  const took = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const deadline = performance.now() + DRAIN_MS; open > 0 && performance.now() < deadline; ) await sleep(5);
  total.unknown += open * size;
  return {
    ...total,
    done,
    perSecond: done / took,
    p50: histogram.percentile(0.5),
    p95: histogram.percentile(0.95),
    p99: histogram.percentile(0.99),
    mean: histogram.mean,
    max: histogram.max,
    errorStatuses,
    cpuSeconds: (user + system) / 1e6,
  };
}

process.stdout.write(JSON.stringify(await main(JSON.parse(process.argv[2] ?? "") as LoadOrder)));
process.exit(0);
