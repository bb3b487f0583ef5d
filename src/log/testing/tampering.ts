import assert from "node:assert/strict";
import { join } from "node:path";
import { actorOf, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { openSqliteStore } from "#storage/sqlite/index.ts";
import { keepCosigned } from "../cosigned.ts";
import { sha256 } from "../hashing.ts";
import { createLogReader } from "../log-reader.ts";
import { formatNote, parseNote } from "../note.ts";
import { signerOf } from "../note-keys.ts";
import { createSealer } from "../sealer.ts";

/** A sealed log on disk, for tests that tamper with it. */

export const signer = signerOf("example.com/log", "signature", sha256("key"));
export const witness = signerOf("witness.example/w", "cosignature", sha256("witness"));
const random = systemRandom();
const clock = { now: () => T0, sleep: () => Promise.resolve() };
export const EVENTS = 600;
/** The log stops here; the rest is not sealed. */
export const SEALED = 590;
export const AUDIT = '"smartfinance-audit-logs"';
export const LOG = '"smartfinance-log"';

async function put(store: Store, table: "smartfinance-audit-logs" | "smartfinance-accounts", items: readonly Item[]): Promise<void> {
  const result = await store.commit(items.map((item) => ({ op: "put", table, item, condition: "absent" })));
  assert.equal(result.outcome, "committed");
}

/** Seals everything that a store has. */
export async function sealAll(store: Store): Promise<void> {
  const sealer = createSealer({ store, clock, random, signer });
  for (let step = 0; step < 100 && (await sealer.step()).more; step++);
}

/** A sealed store on disk, as a stopped server leaves it. */
export async function makeStore(folder: string): Promise<{ readonly since: string }> {
  const store = await openSqliteStore({ file: join(folder, "smartfinance.db") });
  const accounts = ["acc_a", "acc_b"];
  const events = Array.from({ length: EVENTS }, (_, n) => {
    const entries = accounts.map((accountId, i) => ({ accountId, amount: minor(i === 0 ? -n : n) }));
    return buildEvent({ id: newId("event"), type: "transfer.posted", objectId: `txn_${n}`, amount: minor(n), entries }, actorOf(), T0).item;
  });
  await put(store, "smartfinance-audit-logs", events.slice(0, 300));
  await sealAll(store);
  const since = (await createLogReader(store).checkpoint())?.text ?? "";
  const note = parseNote(since);
  assert.ok(note);
  await keepCosigned(store, 300, formatNote({ ...note, signatures: [...note.signatures, witness.sign(note.text, T0)] }));
  await put(store, "smartfinance-audit-logs", events.slice(300, SEALED));
  await sealAll(store);
  await put(store, "smartfinance-audit-logs", events.slice(SEALED));
  const total = (EVENTS * (EVENTS - 1)) / 2;
  const account = (id: string, balance: number): Item => ({ id, organisation_id: ORG, balance, version: 1 });
  await put(store, "smartfinance-accounts", [account("acc_a", -total), account("acc_b", total), account("acc_c", 0)]);
  // One that is only in the journal: an update of a hot table.
  await store.commit([
    { op: "put", table: "smartfinance-accounts", item: { ...account("acc_c", 0), version: 2 }, condition: { version: 1 } },
  ]);
  await store.close();
  return { since };
}
