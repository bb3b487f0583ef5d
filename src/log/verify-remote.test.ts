import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, minor, newId, T0 } from "#test/support/builders.ts";
import { buildEvent, presentEvent } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { toBase64 } from "./base64.ts";
import { keepCosigned } from "./cosigned.ts";
import { sha256 } from "./hashing.ts";
import { createLogReader } from "./log-reader.ts";
import { formatNote, parseNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { createSealer } from "./sealer.ts";
import { parseTilePath } from "./tiles.ts";
import { verifyRemote } from "./verify-remote.ts";
import { shownProof } from "./shown-proof.ts";

const signer = signerOf("bank.example/audit", "signature", sha256("key"));
const witness = signerOf("witness.example/w", "cosignature", sha256("witness"));

/** A server of one organisation with one account, as a verifier sees it. What it lists and what it says of the account can be exchanged. */
function server() {
  const store = openMemoryStore(createMemoryDatabase());
  const clock = { now: () => T0, sleep: () => Promise.resolve() };
  const sealer = createSealer({ store, clock, random: systemRandom(), signer });
  const reader = createLogReader(store);
  const shown = new Map<string, JsonObject>();
  const says = { balance: 0, list: (ids: readonly string[]): readonly string[] => ids };

  const deposit = async (amount: number): Promise<void> => {
    const entries = [{ accountId: "acc_a", amount: minor(amount) }];
    const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn_1", entries }, actorOf(), T0);
    await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    await sealer.step();
    shown.set(String(item.event_id), presentEvent(item));
    says.balance += amount;
  };
  const cosign = async (): Promise<void> => {
    const newest = await reader.checkpoint();
    const note = parseNote(newest?.text ?? "");
    assert.ok(newest !== undefined && note !== undefined);
    const signatures = [...note.signatures, witness.sign(note.text, T0)];
    await keepCosigned(store, newest.size, formatNote({ text: note.text, signatures }));
  };
  const eventOf = async (id: string): Promise<JsonObject> => {
    const proof = await reader.proof(id);
    assert.ok(proof);
    return { ...shown.get(id), proof: shownProof(proof) };
  };
  const answer = async (path: string): Promise<string | Buffer> => {
    const { pathname, searchParams } = new URL(path, "http://bank.example");
    const rest = pathname.slice("/v1/".length);
    if (rest === "audit/checkpoint") return (await reader.checkpoint(searchParams.get("witnessed") === "true"))?.text ?? "";
    if (rest === "audit/consistency") {
      const hashes = await reader.consistency(Number(searchParams.get("from")), Number(searchParams.get("to")));
      return JSON.stringify({ hashes: hashes?.map(toBase64) });
    }
    if (rest.startsWith("audit/tile/")) {
      const tile = parseTilePath(rest.slice("audit/tile/".length));
      return (tile === undefined ? undefined : await reader.tile(tile)) ?? "";
    }
    if (rest.startsWith("accounts/")) return JSON.stringify({ balance: says.balance });
    if (rest !== "audit/events") return JSON.stringify(await eventOf(rest.slice("audit/events/".length)));
    const ids = [...shown.keys()].toSorted().toReversed();
    return JSON.stringify({ data: says.list(ids).map((id) => ({ id })), next_cursor: null });
  };
  const get = async (path: string) => ({ status: 200, body: Buffer.from(await answer(path)) });
  const verify = async (more: { readonly since?: string; readonly witnessed?: boolean } = {}): Promise<string> => {
    const { since, witnessed = false } = more;
    const witnesses = witnessed ? [witness.verifier] : [];
    const report = await verifyRemote({ get, log: signer.verifier, clock, witnesses, ...(since === undefined ? {} : { since }) });
    return report.ok ? "OK" : report.what;
  };
  return { deposit, cosign, verify, says, newest: async () => (await reader.checkpoint())?.text ?? "" };
}

void describe("a running server that is verified from outside", () => {
  void it("cannot make a wrong balance add up by showing an event twice", async () => {
    const { deposit, verify, says } = server();
    await deposit(100);
    await deposit(20);
    assert.equal(await verify(), "OK");
    says.balance = 220;
    assert.match(await verify(), /its events say 120/);
    says.list = (ids) => [...ids, ids.at(-1) ?? ""];
    assert.match(await verify(), /twice or out of order/);
    says.list = (ids) => [ids.at(-1) ?? "", ...ids];
    assert.match(await verify(), /twice or out of order/);
  });
});

void describe("an earlier checkpoint that the witnesses have not come to yet", () => {
  void it("is none of a log that was cut back", async () => {
    const { deposit, cosign, verify, newest } = server();
    await deposit(1);
    await deposit(2);
    await cosign();
    for (let n = 0; n < 5; n++) await deposit(n);
    const since = await newest();
    assert.equal(await verify({ since }), "OK");
    assert.equal(await verify({ since, witnessed: true }), "OK");
    await deposit(7);
    assert.equal(await verify({ since, witnessed: true }), "OK");
  });

  void it("is still held against the log: one of another history, or of more than the log has, is wrong", async () => {
    const [ours, theirs] = [server(), server()];
    for (const { deposit } of [ours, theirs]) await deposit(1);
    await ours.cosign();
    for (const { deposit } of [ours, theirs]) await deposit(2);
    const since = await theirs.newest();
    assert.match(await ours.verify({ since, witnessed: true }), /another history/);
    await theirs.deposit(3);
    assert.match(await ours.verify({ since: await theirs.newest(), witnessed: true }), /cut back/);
  });
});
