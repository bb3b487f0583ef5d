import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CommitQueue } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Clock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createSessionExpiry } from "./expire-session.ts";
import type { HostedSession } from "./session.ts";
import { hostedSessions, OPEN_SHARDS, readSession, SESSION_MS } from "./session.ts";

const T0 = 1_790_000_000_000;

interface Scene {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock & { at: number };
}

function scene(): Scene {
  const clock = { at: T0, now: (): number => clock.at, sleep: async () => {} };
  const random = systemRandom();
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  return { store, clock, ids: createIds(clock, random), queue: createCommitQueue({ store, clock, random }) };
}

async function keep({ store, ids, clock }: Scene, fields: Partial<HostedSession> = {}): Promise<HostedSession> {
  const session: HostedSession = {
    id: ids.next("hostedSession"),
    organisationId: ids.next("organisation"),
    userId: ids.next("user"),
    purpose: "enrol",
    authenticationId: null,
    factorsBefore: null,
    apiKeyId: ids.next("apiKey"),
    returnUrl: "https://app.example.com/",
    status: "created",
    result: null,
    tokenHash: "0".repeat(64),
    cookieHash: null,
    createdAt: clock.at,
    expiresAt: clock.at + SESSION_MS,
    openedAt: null,
    seenAt: null,
    endedAt: null,
    version: 1,
    ...fields,
  };
  const done = await store.commit([{ op: "put", table: hostedSessions.table, item: hostedSessions.toItem(session), condition: "absent" }]);
  assert.equal(done.outcome, "committed");
  return session;
}

describe("the end of hosted sessions that nobody ended", () => {
  it("is written down once for those whose time is over, and for no others", async () => {
    const on = scene();
    const many = [];
    for (let n = 0; n < 200; n++) many.push(await keep(on));
    const done = await keep(on, { status: "completed", result: "enrolled" });
    on.clock.at += SESSION_MS;
    const young = await keep(on);
    const expiry = createSessionExpiry({ ...on, onError: assert.ifError });
    assert.equal((await Promise.all([expiry.work(), expiry.work()]))[1], 200, "one run at a time, and whoever waits is told its end");
    assert.equal(await expiry.work(), 0);
    for (const { id } of many) assert.equal((await readSession(on.store, id))?.status, "expired");
    assert.deepEqual(await readSession(on.store, done.id), done);
    assert.deepEqual(await readSession(on.store, young.id), young);
    const shards = new Set(many.map((session) => hostedSessions.toItem(session)["open"]));
    assert.ok(shards.size > 8 && [...shards].every((shard) => OPEN_SHARDS.includes(String(shard))));
  });

  it("is written down where the clock was set back, and so stays when it catches up", async () => {
    const on = scene();
    const before = await keep(on);
    const opened = await keep(on, { status: "opened", openedAt: T0, cookieHash: "0".repeat(64) });
    on.clock.at -= 3_600_000;
    const since = await keep(on);
    assert.ok(since.id > opened.id, "ids stand still meanwhile");
    const expiry = createSessionExpiry({ ...on, onError: assert.ifError });
    assert.equal(await expiry.work(), 2);
    assert.deepEqual(await readSession(on.store, since.id), since);
    on.clock.at = T0 + 1_000;
    for (const { id } of [before, opened]) {
      const found = await readSession(on.store, id);
      assert.deepEqual([found?.status, found?.endedAt], ["expired", T0]);
    }
  });

  it("waits when the store is away, and says so", async () => {
    const on = scene();
    const late = await keep(on);
    on.clock.at += SESSION_MS;
    const errors: unknown[] = [];
    const away: Store = { ...on.store, query: () => Promise.reject(new StoreUnavailableError("away")) };
    assert.equal(await createSessionExpiry({ ...on, store: away, onError: (error) => errors.push(error) }).work(), 0);
    assert.ok(errors.length === 1 && errors[0] instanceof StoreUnavailableError);
    assert.equal(await createSessionExpiry({ ...on, onError: assert.ifError }).work(), 1);
    assert.equal((await readSession(on.store, late.id))?.status, "expired");
  });
});
