import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildEvent } from "#audit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { systemClock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { Id, OrganisationId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Vault } from "#vault/index.ts";
import { createVault, openLocalKms } from "#vault/index.ts";
import { openPosition, sealPosition } from "./position.ts";
import type { Sink, StreamLimits, Streams, Subscriber } from "./streams.ts";
import { createStreams } from "./streams.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-streams-"));
const random = systemRandom();
const ids = createIds(systemClock, random);
const ORG = "org_01J00000000000000000000008" as OrganisationId;
const OTHER = "org_01J00000000000000000000009" as OrganisationId;

/** A clock that may be moved on; what sleeps, sleeps shortly. */
function quickClock(): Clock & { advance(ms: number): void } {
  let offset = 0;
  return { now: () => Date.now() + offset, sleep: (ms) => sleep(Math.min(ms, 5)), advance: (ms) => void (offset += ms) };
}

interface FakeSink extends Sink {
  text: string;
  gone: "end" | "destroy" | undefined;
  /** Bytes that are not taken; grows by what is written while `reads` is false. */
  reads: boolean;
  close(): void;
}

function fakeSink(): FakeSink {
  let closed: () => void = () => undefined;
  let waiting = 0;
  return {
    text: "",
    gone: undefined,
    reads: true,
    get destroyed() {
      return this.gone !== undefined;
    },
    get writableLength() {
      if (this.reads) waiting = 0;
      return waiting;
    },
    write(text) {
      this.text += text;
      waiting += text.length;
    },
    end() {
      this.gone ??= "end";
    },
    destroy() {
      this.gone ??= "destroy";
    },
    on(event, listener) {
      if (event === "close") closed = listener;
    },
    close: () => closed(),
  };
}

const idsIn = (text: string): string[] => [...text.matchAll(/"id":"(evt_\w+)"/g)].map(([, id]) => String(id));
const lastIdIn = (text: string): string => [...text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? "";

async function until(good: () => boolean, what: string): Promise<void> {
  for (let poll = 0; poll < 1_000; poll++) {
    if (good()) return;
    await sleep(5);
  }
  assert.fail(what);
}

after(() => rmSync(directory, { recursive: true, force: true }));

void describe("createStreams", () => {
  let vault: Vault;
  let store: Store;
  let clock: ReturnType<typeof quickClock>;
  let streams: Streams;
  const faults: unknown[] = [];

  const make = (limits: Partial<StreamLimits> = {}): Streams =>
    createStreams({ store, vault, clock, limits, nearEnd: () => Promise.resolve(undefined), onError: (error) => void faults.push(error) });

  const who = (more: Partial<Subscriber> = {}): Subscriber => ({
    organisationId: ORG,
    callerId: "key",
    types: undefined,
    mayListen: () => Promise.resolve(true),
    ...more,
  });

  /** Commits events in one commit each; their ids. */
  const happen = async (count: number, organisationId: OrganisationId = ORG): Promise<string[]> => {
    const made: string[] = [];
    for (let n = 0; n < count; n++) {
      const id = ids.next("event");
      const actor = { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null };
      const { item } = buildEvent({ id, type: "transfer.posted", objectId: "txn" }, actor, clock.now());
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
      made.push(id);
      streams.wake();
    }
    return made;
  };

  const open = async (subscriber: Subscriber, lastId?: string): Promise<FakeSink> => {
    const room = await streams.reserve(subscriber, lastId);
    assert.ok(room.ok);
    const sink = fakeSink();
    room.start(sink);
    return sink;
  };

  beforeEach(async () => {
    clock = quickClock();
    store = openMemoryStore(createMemoryDatabase());
    const kms = await openLocalKms({ file: join(directory, `kms-${ids.next("request")}.json`), random });
    vault = createVault({ store, kms, clock, ids: createIds(clock, random), random });
  });
  afterEach(() => streams.close());
  after(() => assert.deepEqual(faults, []));

  void it("cuts off who does not read, and lets it go on where it was", async () => {
    streams = make({ bufferBytes: 4_000 });
    const slow = await open(who());
    const quick = await open(who());
    const first = await happen(3);
    await until(() => idsIn(slow.text).length === 3 && idsIn(quick.text).length === 3, "the first events did not come");
    slow.reads = false;
    const more = await happen(40);
    await until(() => slow.gone === "destroy", "the slow one was not cut off");
    assert.equal(quick.gone, undefined);
    assert.equal(streams.size, 1);
    assert.ok(slow.text.length < 10_000, "more was written than the bound allows");
    const again = await open(who(), lastIdIn(slow.text));
    await until(() => new Set([...idsIn(slow.text), ...idsIn(again.text)]).size === 43, "something is missing");
    assert.deepEqual([...idsIn(slow.text), ...idsIn(again.text)], [...first, ...more]);
    await until(() => idsIn(quick.text).length === 43, "the quick one misses something");
    streams.close();
    assert.equal(quick.gone, "end");
  });

  void it("goes on when the clock was set back: it tells what happens, beats, and cuts who may not listen any more", async () => {
    streams = make();
    const told = await open(who());
    let may = true;
    const revoked = await open(who({ callerId: "other", mayListen: () => Promise.resolve(may) }));
    const first = await happen(1);
    await until(() => idsIn(told.text).length === 1 && idsIn(revoked.text).length === 1, "the first event did not come");
    const beats = told.text.split("\n: \n").length;
    clock.advance(-3_600_000);
    may = false;
    await until(() => revoked.gone === "destroy", "who may not listen was not cut off");
    const second = await happen(1);
    await until(() => idsIn(told.text).length === 2, "what happened was not told");
    assert.deepEqual(idsIn(told.text), [...first, ...second]);
    await until(() => told.text.split("\n: \n").length > beats, "nothing shows that it is alive");
  });

  void it("keeps no room for who takes nothing while it catches up, though the clock was set back", async () => {
    streams = make({ bufferBytes: 4_000 });
    await happen(4);
    await happen(500, OTHER);
    const room = await streams.reserve(who(), undefined);
    assert.ok(room.ok);
    const sink = fakeSink();
    sink.reads = false;
    room.start(sink);
    await until(() => idsIn(sink.text).length === 4, "it did not begin");
    clock.advance(-3_600_000);
    clock.advance(11_000);
    await until(() => sink.gone === "destroy", "it keeps its place");
    assert.equal(streams.size, 0);
  });

  void it("tells each stream everything from its place on, wherever the others are", async () => {
    streams = make({ perKey: 100 });
    const all: string[] = [];
    const reader = await open(who());
    all.push(...(await happen(30)));
    await happen(10, OTHER);
    await until(() => idsIn(reader.text).length >= 30, "events did not come");
    const places = [...reader.text.matchAll(/^id: (\S+)\nevent/gm)].map(([, id]) => String(id));
    const base = idsIn(reader.text).indexOf(all[0] ?? "");
    // Newcomers from everywhere, while it goes on.
    const late: { readonly sink: FakeSink; readonly from: number }[] = [];
    for (const from of [29, 3, 17, 0, 29, 8]) {
      late.push({ sink: await open(who(), places[base + from]), from });
      all.push(...(await happen(2)));
    }
    for (const { sink, from } of late) {
      const wanted = all.slice(from + 1);
      await until(() => new Set(idsIn(sink.text)).size >= wanted.length, "a newcomer misses something");
      assert.deepEqual([...new Set(idsIn(sink.text))], wanted);
    }
    await until(() => idsIn(reader.text).includes(all.at(-1) ?? ""), "the first one misses something");
    const got = idsIn(reader.text).slice(base);
    assert.deepEqual(got, all, "the others made it hear something twice, or not at all");
    streams.close();
  });

  void it("has bounds, in all and for one key, and a heartbeat", async () => {
    streams = make({ total: 3, perKey: 2 });
    const [one] = [await open(who()), await open(who())];
    const third = await streams.reserve(who(), undefined);
    assert.deepEqual(third, { ok: false, code: "too_many_streams", detail: "One key may have 2." });
    await open(who({ callerId: "other" }));
    assert.deepEqual(await streams.reserve(who({ callerId: "third" }), undefined), { ok: false, code: "too_many_streams" });
    one.close();
    await open(who());
    const before = one.text.length;
    clock.advance(16_000);
    const beating = await open(who({ callerId: "third" })).catch(() => undefined);
    assert.equal(beating, undefined, "the bound holds again");
    assert.equal(one.text.length, before, "a closed one is written to");
    streams.close();
    streams = make();
    const silent = await open(who());
    await until(() => silent.text.includes("id: "), "no place at the beginning");
    await sleep(30);
    clock.advance(16_000);
    await until(() => /^: \n/m.test(silent.text), "no heartbeat");
    streams.close();
    assert.ok(!(await streams.reserve(who(), undefined)).ok, "a closed node opens no stream");
  });

  void it("gives no place to one that is still catching up: what lies before that place would be lost to it", async () => {
    streams = make();
    const reader = await open(who());
    await until(() => reader.text.includes("id: "), "no place at the beginning");
    const old = lastIdIn(reader.text);
    await happen(3);
    await until(() => idsIn(reader.text).length === 3, "the events did not come");
    const held = Promise.withResolvers<void>();
    const feed = store.feed.bind(store);
    let reads = 0;
    // The feed is long and slow for one that begins at its beginning, and has nothing for it so far.
    store.feed = async (cursor, limit) => {
      if (cursor === undefined) {
        reads += 1;
        await held.promise;
      }
      return feed(cursor, limit);
    };
    const behind = await open(who({ callerId: "behind" }), old);
    await until(() => reads > 0, "it does not catch up");
    clock.advance(16_000);
    await until(() => /^: \n/m.test(behind.text) && /^: \nid: /m.test(reader.text), "no heartbeat");
    const again = lastIdIn(behind.text);
    behind.close();
    held.resolve();
    const resumed = await open(who({ callerId: "behind" }), again);
    await until(() => idsIn(resumed.text).length === 3, "what happened before the heartbeat is lost");
  });

  void it("ends a stream whose data key is blocked, and no other", async () => {
    streams = make();
    const blocked = await open(who());
    const other = await open(who({ organisationId: OTHER, callerId: "other" }));
    let may = true;
    const watched = await open(who({ organisationId: OTHER, callerId: "watched", mayListen: () => Promise.resolve(may) }));
    await until(() => [blocked, other, watched].every(({ text }) => text.includes("id: ")), "no place at the beginning");
    await sleep(30);
    vault.forget({ organisationId: ORG, userId: null, purpose: "data-key" }, [(await vault.dataKey(ORG)).id as Id<"dataKey">]);
    await happen(1);
    const [told] = await happen(1, OTHER);
    await until(() => blocked.gone === "destroy", "it goes on without a key");
    await until(() => idsIn(other.text).length === 1, "another organisation hears nothing any more");
    assert.deepEqual(idsIn(other.text), [told]);
    const silent = await open(who());
    await happen(1);
    await until(() => idsIn(silent.text).length > 0, "it does not listen");
    await sleep(30);
    const dataKey = vault.dataKey.bind(vault);
    const seal = vault.seal.bind(vault);
    vault.dataKey = (organisationId) => (organisationId === ORG ? Promise.reject(new Error("blocked")) : dataKey(organisationId));
    vault.seal = (key, binding, text) => {
      if (key.organisationId === ORG) throw new Error("blocked");
      return seal(key, binding, text);
    };
    clock.advance(16_000);
    await until(() => silent.gone === "destroy", "a heartbeat without a place");
    may = false;
    clock.advance(2_100);
    await until(() => watched.gone === "destroy", "keys are not looked at any more");
    assert.ok(faults.splice(0).length > 0);
  });

  void it("ends streams whose key may not listen any more, and those of which nobody knows for seconds", async () => {
    streams = make();
    let may: boolean | undefined = true;
    const known = await open(who({ mayListen: () => Promise.resolve(may) }));
    const unsure = await open(who({ mayListen: () => Promise.reject(new Error("the store is away")) }));
    const good = await open(who());
    clock.advance(2_100);
    await sleep(30);
    assert.deepEqual([known.gone, unsure.gone, good.gone], [undefined, undefined, undefined]);
    may = false;
    clock.advance(2_100);
    await until(() => known.gone !== undefined && unsure.gone !== undefined, "a stream was not ended");
    assert.equal(good.gone, undefined);
    streams.close();
  });
});

void describe("openPosition", () => {
  void it("opens what was sealed for the organisation, and nothing else", async () => {
    const clock = quickClock();
    const store = openMemoryStore(createMemoryDatabase());
    const kms = await openLocalKms({ file: join(directory, "kms-position.json"), random });
    const vault = createVault({ store, kms, clock, ids: createIds(clock, random), random });
    for (const position of [
      { cursor: undefined, offset: 0 },
      { cursor: "12.5", offset: 499 },
    ]) {
      const text = sealPosition(vault, await vault.dataKey(ORG), position);
      assert.match(text, /^[\w.-]+$/);
      assert.deepEqual(await openPosition(vault, ORG, text), position);
      assert.equal(await openPosition(vault, OTHER, text), undefined);
      assert.equal(await openPosition(vault, ORG, `${text.slice(0, -2)}__`), undefined);
    }
    for (const text of ["", "1 2", "x".repeat(10_000), `dek_${"0".repeat(26)}.${"A".repeat(16)}.${"A".repeat(30)}`])
      assert.equal(await openPosition(vault, ORG, text), undefined);
  });
});
