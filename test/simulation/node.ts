import { pino } from "pino";
import type { Clock } from "#kernel/clock.ts";
import type { MemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Store } from "#storage/port.ts";
import type { Kms } from "#vault/index.ts";
import { createApp } from "#app.ts";
import type { App } from "#app.ts";
import type { Dice } from "./dice.ts";
import { createFaults, type Weather } from "./faults.ts";
import type { HttpRequest } from "./operations.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly requestId: string;
  readonly replayed: boolean;
  readonly node: string;
  /** What the node's clock said when the request came and when the answer left. */
  readonly times: readonly [number, number];
  /** How many commits had happened when the request came. */
  readonly since: number;
}

/** One API process: its own memory and clock, the common database. */
export interface Node {
  readonly name: string;
  readonly app: App;
  readonly clock: Clock;
  readonly alive: boolean;
  /** Requests that have neither been answered nor been lost in a crash. */
  readonly open: number;
  /** @returns undefined when the node crashed before it answered */
  request(request: HttpRequest): Promise<Answer | undefined>;
  /** From now on nothing wakes in this node, its store answers it nothing, and nobody gets a reply. */
  crash(): void;
  /** Lets go of what would keep the node in memory when its simulation has ended: the server's own timers. */
  close(): Promise<void>;
}

export interface NodeOptions {
  readonly name: string;
  readonly time: VirtualTime;
  readonly database: MemoryDatabase & { readonly commits: number };
  readonly dice: Dice;
  readonly kms: Kms;
  readonly weather: () => Weather;
  readonly limits: Partial<Store["limits"]>;
  readonly offsetMs: number;
  readonly onEvents: (ids: readonly string[]) => void;
  /** For planted bugs: another store in the place of the real one. */
  readonly wrapStore?: ((store: Store) => Store) | undefined;
  /** For planted bugs: another answer in the place of the real one. */
  readonly lie?: ((body: string, request: HttpRequest) => string) | undefined;
}

export async function startNode(options: NodeOptions): Promise<Node> {
  const { name, time, database, dice, weather, limits, offsetMs } = options;
  let alive = true;
  let open = 0;
  let lost: (() => void)[] = [];
  const clock = time.clockOf(offsetMs, () => alive);
  const faults = createFaults(dice, weather, () => time.now);
  const memory = openMemoryStore(database, {
    clock,
    limits,
    faults(operation) {
      time.touch();
      return faults(operation);
    },
  });
  const app = createApp({
    store: options.wrapStore?.(memory) ?? memory,
    kms: options.kms,
    clock,
    random: dice,
    logger: pino({ level: "silent" }),
    auditLog: (events) => options.onEvents(events.map(({ item }) => String(item.event_id))),
    trustedProxyHops: 0,
    version: "0",
  });
  await app.server.ready();

  return {
    name,
    app,
    clock,
    get alive() {
      return alive;
    },
    get open() {
      return open;
    },
    async request(request) {
      if (!alive) return undefined;
      time.touch();
      const { method, url, headers, payload } = request;
      const came = clock.now();
      const since = database.commits;
      open += 1;
      const answered = app.server.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
      const crashed = new Promise<undefined>((resolve) => {
        lost.push(() => resolve(undefined));
      });
      const response = await Promise.race([answered, crashed]);
      time.touch();
      if (response === undefined || !alive) return undefined;
      open -= 1;
      return {
        status: response.statusCode,
        body: options.lie?.(response.body, request) ?? response.body,
        requestId: String(response.headers["x-request-id"]),
        replayed: response.headers["idempotent-replayed"] === "true",
        node: name,
        times: [came, clock.now()],
        since,
      };
    },
    crash() {
      alive = false;
      for (const lose of lost) lose();
      lost = [];
      time.touch();
    },
    close: () => app.server.close(),
  };
}
