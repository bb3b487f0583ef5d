import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom, unitInterval } from "#kernel/random.ts";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { createHistory, type History } from "./history.ts";
import { leaveReviewOpen, usePendingState } from "./pending-state.ts";
import { openData, type Seeded, seedStore } from "./seed-store.ts";
import { type ServerProcess, startServer, type StoreChoice } from "./server-process.ts";
import { verifyLedger } from "./verify-ledger.ts";

const ACCOUNTS = 60;
const USERS = 30;
/** Accounts that only `leaveReviewOpen` pays from: one a round, each of a customer of its own. */
const CUSTOMERS_FROM = 20;
const SQLITE_ROUNDS = 5;
const DYNAMO_ROUNDS = 2;
/** The kill comes at a random moment of this span, in milliseconds after the first answer to the load. */
const KILL_FROM_MS = 120;
const KILL_SPAN_MS = 500;
const OUTAGE_MS = 300;

const random = systemRandom();
const moment = (): number => Math.round(KILL_FROM_MS + unitInterval(random) * KILL_SPAN_MS);

/** Checks the data with no server on it: all invariants, and exactly the transactions that were told of. */
async function checkData(store: StoreChoice, dataDir: string, seeded: Seeded, history: History, exactly: boolean): Promise<void> {
  const found = new Set<string>();
  const data = await openData(store, dataDir);
  try {
    const report = await verifyLedger({
      store: data,
      organisationId: seeded.organisationId,
      checksumEvery: 1,
      at: systemClock.now(),
      onTransaction: ({ id }) => found.add(id),
    });
    assert.deepEqual(report.violations, []);
    assert.ok(report.checksums > 0, "audit events were checked");
  } finally {
    await data.close();
  }
  const lost = [...history.transactions].filter((id) => !found.has(id));
  assert.deepEqual(lost, [], "no acknowledged transaction is lost");
  // Before the repetitions, what was done and not answered may be there as well.
  if (exactly) assert.equal(found.size, history.transactions.size, "nothing is there that nobody was told of");
}

describe("the server is killed under load (SQLite)", () => {
  const store: StoreChoice = { kind: "sqlite" };
  let dataDir: string;
  let seeded: Seeded;
  let history: History;
  let server: ServerProcess | undefined;

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "crash-"));
    seeded = await seedStore({ store, dataDir, accounts: ACCOUNTS, users: USERS }, () => undefined);
    history = createHistory({ ...seeded, accounts: seeded.accounts.slice(0, CUSTOMERS_FROM) }, systemClock.now() % 1_000_000);
  });
  after(async () => {
    await server?.kill();
    await rm(dataDir, { recursive: true, force: true });
  });

  for (let round = 1; round <= SQLITE_ROUNDS; round++) {
    it(`round ${round}: nothing acknowledged is lost, nothing happens twice`, async (t) => {
      server ??= await startServer({ store, dataDir, settings: { SMARTFINANCE_DEMO: "false" } });
      const running = server;
      const review = await leaveReviewOpen(history, seeded, running.port, CUSTOMERS_FROM + round);
      const killAfter = moment();
      const load = await history.load(running.port, () => sleep(killAfter).then(() => running.kill()));
      t.diagnostic(`killed after ${killAfter} ms: ${load.answered} answered, ${load.open} open`);
      assert.ok(load.answered > 0, "the load reached the server");
      await checkData(store, dataDir, seeded, history, false);

      server = await startServer({ store, dataDir, settings: { SMARTFINANCE_DEMO: "false" } });
      const repeated = await history.repeatAll(server.port);
      assert.equal(repeated.finished, load.open);
      assert.ok(repeated.replayed >= load.answered + load.open);
      await usePendingState(history, seeded, server.port, review);
    });
  }

  it("in the end the data holds exactly what was told", async () => {
    assert.ok(server !== undefined);
    await server.stop();
    server = undefined;
    await checkData(store, dataDir, seeded, history, true);
  });
});

const dynamo = await dynamoServerForTests();

if (dynamo?.kill !== undefined && dynamo.restart !== undefined) {
  const { endpoint, kill, restart } = dynamo;
  describe("the DynamoDB server is killed under the running API", () => {
    const store: StoreChoice = { kind: "dynamodb", endpoint, tablePrefix: `crash-api-${process.pid}-` };
    let dataDir: string;
    let seeded: Seeded;
    let history: History;
    let server: ServerProcess;

    before(async () => {
      dataDir = await mkdtemp(join(tmpdir(), "crash-dynamodb-"));
      seeded = await seedStore({ store, dataDir, accounts: ACCOUNTS, users: USERS }, () => undefined);
      history = createHistory({ ...seeded, accounts: seeded.accounts.slice(0, CUSTOMERS_FROM) }, systemClock.now() % 1_000_000);
      server = await startServer({ store, dataDir, settings: { SMARTFINANCE_DEMO: "false" } });
    });
    after(async () => {
      await server.kill();
      await rm(dataDir, { recursive: true, force: true });
    });

    for (let round = 1; round <= DYNAMO_ROUNDS; round++) {
      it(`round ${round}: the API answers all the time and finishes what was in doubt`, async (t) => {
        const review = await leaveReviewOpen(history, seeded, server.port, CUSTOMERS_FROM + round);
        const killAfter = moment();
        const outage = async (): Promise<void> => {
          await sleep(killAfter);
          await kill();
          await sleep(OUTAGE_MS);
          await restart();
          await sleep(OUTAGE_MS);
        };
        const load = await history.load(server.port, outage);
        t.diagnostic(`killed after ${killAfter} ms: ${load.answered} answered, ${load.open} refused or in doubt`);
        assert.ok(load.answered > 0, "the load reached the store");
        const repeated = await history.repeatAll(server.port);
        assert.equal(repeated.finished, load.open);
        await usePendingState(history, seeded, server.port, review);
      });
    }

    it("in the end the data holds exactly what was told", async () => {
      await server.stop();
      await checkData(store, dataDir, seeded, history, true);
    });
  });
}
