import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seededRandom } from "#test/support/builders.ts";
import { unitInterval } from "#kernel/random.ts";
import type { Condition, Item, Store, Write } from "../port.ts";
import { stateHash } from "../state-hash.ts";
import type { TableName } from "../tables.ts";
import { openSqliteStore } from "./index.ts";
import { newPlace, openFaulty } from "./testing/faults.ts";

/** One of each kind: hot with indexes, hot without, indexed late, an index that changes. */
const modelled = ["smartfinance-accounts", "smartfinance-risk-devices", "smartfinance-idempotency", "smartfinance-reviews"] as const;
const NAMES = ["a", "b", "c"];
const NOW = 1_800_000_000;

type State = Map<string, Item>;

const refOf = (table: TableName, id: string): string => `${table}/${id}`;
const refs = modelled.flatMap((table) => NAMES.map((id) => ({ table, id, ref: refOf(table, id), key: { hash: id } })));
const idOf = (write: Write): string => (write.op === "put" ? String(write.item["id"]) : write.key.hash);

/** The indexes of the writes whose condition fails; where there are none, the state is changed. */
function applyTo(state: State, writes: readonly Write[]): number[] {
  const failing = writes.flatMap((write, n) => {
    const found = state.get(refOf(write.table, idOf(write)));
    if (write.condition === "none") return [];
    const holds = write.condition === "absent" ? found === undefined : found?.["version"] === write.condition.version;
    return holds ? [] : [n];
  });
  if (failing.length > 0) return failing;
  for (const write of writes) {
    if (write.op === "put") state.set(refOf(write.table, idOf(write)), write.item);
    else if (write.op === "delete") state.delete(refOf(write.table, idOf(write)));
  }
  return [];
}

function hashOf(state: State): Promise<string> {
  return stateHash([...state].map(([ref, item]) => ({ table: ref.slice(0, ref.indexOf("/")) as TableName, item })));
}

async function assertState(store: Store, state: State): Promise<void> {
  const expected = refs.map(({ ref }) => state.get(ref));
  assert.deepEqual(await store.getMany(refs), expected);
  const listed = async (table: TableName, index: string, hash: string): Promise<readonly Item[]> =>
    (await store.query({ table, index, hash, order: "ascending", limit: 10 })).items;
  const kept = (table: TableName): Item[] =>
    NAMES.map((id) => state.get(refOf(table, id))).filter((item): item is Item => item !== undefined);
  assert.deepEqual(await listed("smartfinance-accounts", "UserAccountsIndex", "user"), kept("smartfinance-accounts"));
  for (const status of ["open", "closed"])
    assert.deepEqual(
      await listed("smartfinance-reviews", "StatusReviewsIndex", status),
      kept("smartfinance-reviews").filter((item) => item["status_key"] === status),
    );
}

async function history(seed: number, rounds: number): Promise<void> {
  const random = seededRandom(seed);
  const draw = (n: number): number => Math.floor(unitInterval(random) * n);
  const place = await newPlace();
  const open = () => openFaulty({ file: place.file, cacheItems: 2 }, { generationEntries: 5 });
  let { store, arm } = await open();
  let state: State = new Map();
  let count = 0;

  const putOf = (table: TableName, id: string): Item => {
    count += 1;
    const item = { id, version: count, padding: "x".repeat(draw(300)) };
    if (table === "smartfinance-accounts") return { ...item, user_id: "user", organisation_id: "o" };
    if (table === "smartfinance-reviews") return draw(3) === 0 ? item : { ...item, status_key: draw(2) === 0 ? "open" : "closed" };
    if (table === "smartfinance-idempotency") return draw(3) === 0 ? item : { ...item, expires_at: NOW + draw(10) };
    return item;
  };
  const writeOf = (now: State, table: TableName, id: string): Write => {
    const version = now.get(refOf(table, id))?.["version"] as number | undefined;
    const current: Condition = version === undefined ? "absent" : { version };
    const wrong: Condition = version === undefined || draw(2) === 0 ? { version: (version ?? 0) + 1 } : "absent";
    const condition = ([current, current, current, "none", "none", draw(8) === 0 ? wrong : current] as const)[draw(6)] ?? "none";
    const op = draw(8);
    if (op === 0) return { op: "check", table, key: { hash: id }, condition: condition === "none" ? current : condition };
    if (op <= 2) return { op: "delete", table, key: { hash: id }, condition };
    return { op: "put", table, item: putOf(table, id), condition };
  };

  try {
    for (let round = 0; round < rounds; round++) {
      const broken = draw(10) === 0;
      if (broken) arm("fullBeforeCommit");
      /** Every state that a reader may see, from the one acknowledged on. */
      const states: State[] = [state];
      const sent: { readonly failing: number[]; readonly result: ReturnType<Store["commit"]> }[] = [];
      for (let n = draw(6); n >= 0; n--) {
        const next: State = new Map(states.at(-1));
        const chosen = refs.filter(() => draw(6) === 0);
        const writes = chosen.map(({ table, id }) => writeOf(next, table, id));
        if (writes.length === 0) continue;
        const failing = applyTo(next, writes);
        if (!broken && failing.length === 0) states.push(next);
        sent.push({ failing, result: store.commit(writes) });
      }
      // Nobody hears an acknowledgement while this thread reads, and the writer goes on.
      const reads: { ref: string; item: Promise<Item | undefined> }[] = [];
      for (const end = performance.now() + draw(4); performance.now() < end; )
        for (const { table, ref, key } of refs) reads.push({ ref, item: store.get(table, key) });
      const last = new Map<string, number>();
      for (const { ref, item } of reads) {
        const found = (await item)?.["version"];
        const at = states.findIndex((one, n) => n >= (last.get(ref) ?? 0) && one.get(ref)?.["version"] === found);
        assert.ok(
          at >= 0,
          `round ${round}: ${ref} was read as ${String(found)}: ${states.map((one) => String(one.get(ref)?.["version"])).join()}`,
        );
        last.set(ref, at);
      }
      for (const [n, { failing, result }] of sent.entries()) {
        const told = await result;
        if (broken) assert.equal(told.outcome, "unavailable");
        else if (failing.length === 0) assert.equal(told.outcome, "committed", `round ${round}, commit ${n}`);
        else {
          assert.ok(told.outcome === "conflict" && told.writes.length > 0, `round ${round}, commit ${n}`);
          assert.ok(told.writes.every((write) => failing.includes(write)));
        }
      }
      arm("none");
      state = states.at(-1) ?? state;
      await assertState(store, state);

      const what = draw(40);
      if (what < 4) {
        const seconds = NOW + draw(12);
        await store.purgeExpired(seconds);
        state = new Map([...state].filter(([, item]) => !(Number(item["expires_at"]) < seconds)));
        await assertState(store, state);
      } else if (what === 4) {
        await store.close();
        ({ store, arm } = await open());
        await assertState(store, state);
      } else if (what === 5) {
        // The files as a crash would leave them.
        const copy = join(place.directory, `crashed-${round}.db`);
        for (const end of ["", "-wal"]) await copyFile(`${place.file}${end}`, `${copy}${end}`);
        const crashed = await openSqliteStore({ file: copy });
        await assertState(crashed, state);
        assert.equal(await stateHash(crashed.dump()), await hashOf(state));
        await crashed.close();
      } else if (what === 6) {
        assert.equal(await stateHash(store.dump()), await hashOf(state));
      }
    }
  } finally {
    await store.close();
    await place.remove();
  }
}

void describe("between writing and acknowledging", () => {
  for (const seed of [1, 2]) void it(`random histories read as a plain map says (seed ${seed})`, () => history(seed, 120));

  void it("an item of a late-indexed table that is replaced is never missing", async () => {
    const place = await newPlace();
    const { store } = await openFaulty({ file: place.file }, { generationEntries: 5 });
    const table = "smartfinance-hosted-seen";
    const put = (n: number) => store.commit([{ op: "put", table, item: { id: "a", n, purge_at: NOW }, condition: "none" }]);
    try {
      for (let n = 1; n < 10; n++) {
        assert.equal((await put(n)).outcome, "committed");
        const replaced = put(n + 1);
        const reads: Promise<Item | undefined>[] = [];
        for (const end = performance.now() + 15; performance.now() < end; ) reads.push(store.get(table, { hash: "a" }));
        const seen = new Set((await Promise.all(reads)).map((item) => item?.["n"]));
        assert.equal((await replaced).outcome, "committed");
        assert.deepEqual(
          [...seen].filter((one) => one !== n && one !== n + 1),
          [],
        );
      }
    } finally {
      await store.close();
      await place.remove();
    }
  });
});
