import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import { sealAll, signer } from "#log/testing/tampering.ts";
import type { Item, TableName } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";
import { openSqliteStore } from "#storage/sqlite/index.ts";
import { toldCollections } from "#told-collections.ts";
import { startApp } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { suspect } from "./suspicious.ts";
import { verdictOf } from "./verify-kit.ts";

/** Not of the audit log: what is only kept for a while, and the log itself, which is sealed anew. */
const LEFT_OUT: readonly TableName[] = [
  "smartfinance-audit-logs",
  "smartfinance-log",
  "smartfinance-log-index",
  "smartfinance-idempotency",
];
const COMMIT = 50;

describe("AUD-02 what is stored of money and access is what the events say", () => {
  let folder = "";
  /** The newest item of each object. */
  const stored = new Map<string, { readonly table: TableName; readonly item: Item }>();
  const ids: Record<string, string> = {};

  /** Uses the product in many ways, and leaves the outcome as a stopped server's SQLite file. */
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-state-"));
    const app = await startApp({ store: "memory" });
    const own = await app.newOrganisation();
    const { api } = own;
    const post = async (path: string, body: object | undefined, status: number): Promise<ApiObject> =>
      ok(await api.post(path, body), status);
    ids["user"] = await own.user();
    ids["payer"] = await own.account({ userId: ids["user"], balance: 100_000, overdraft: 500 });
    ids["payee"] = await own.account();
    ok(await api.patch(`/v1/accounts/${ids["payer"]}`, { overdraft_limit: 700 }), 200);
    ids["plain"] = ok(await own.transfer(ids["payer"], ids["payee"], 100), 201).id;
    ids["reversed"] = ok(await own.transfer(ids["payer"], ids["payee"], 200), 201).id;
    ids["reversal"] = (await post(`/v1/transactions/${ids["reversed"]}/reversals`, { amount: 50 }, 201)).id;
    const hold = { from_account_id: ids["payer"], to_account_id: ids["payee"], amount: 1_000, currency: "EUR", expires_in: 3_600 };
    ids["voided"] = (await post("/v1/holds", hold, 201)).id;
    await post(`/v1/holds/${ids["voided"]}/void`, undefined, 200);
    ids["spent"] = (await post("/v1/holds", hold, 201)).id;
    ids["capture"] = (await post(`/v1/holds/${ids["spent"]}/capture`, { amount: 400, final: false }, 201)).id;
    await post(`/v1/holds/${ids["spent"]}/increment`, { amount: 50 }, 200);
    ids["frozen"] = await own.account();
    await post(`/v1/accounts/${ids["frozen"]}/freeze`, undefined, 200);
    ids["closed"] = await own.user();
    await post(`/v1/users/${ids["closed"]}/close`, undefined, 200);
    ids["key"] = (await post("/v1/api-keys", { name: "Reader", scopes: ["accounts:read"], ip_allowlist: ["192.0.2.0/24"] }, 201)).id;
    await post(`/v1/api-keys/${ids["key"]}/rotate`, { overlap_seconds: 60 }, 200);
    ids["revoked"] = (await post("/v1/api-keys", { name: "Gone" }, 201)).id;
    await post(`/v1/api-keys/${ids["revoked"]}/revoke`, undefined, 200);
    const { pay } = await suspect(own, app.clock);
    for (const verdict of ["approved", "rejected", "waiting"]) {
      const paid = ok(await pay(), 202);
      ids[verdict] = paid.id;
      ids[`${verdict}-review`] = paid.review_id;
      if (verdict !== "waiting")
        await post(`/v1/reviews/${paid.review_id}/${verdict === "approved" ? "approve" : "reject"}`, undefined, 200);
    }
    const { database } = app.shared;
    assert.ok(database);
    mkdirSync(join(folder, "good"));
    const file = await openSqliteStore({ file: join(folder, "good", "smartfinance.db") });
    const put = async (writes: readonly { readonly table: TableName; readonly item: Item }[]): Promise<void> => {
      for (let at = 0; at < writes.length; at += COMMIT) {
        const some = writes.slice(at, at + COMMIT).map(({ table, item }) => ({ op: "put", table, item, condition: "absent" }) as const);
        assert.equal((await file.commit(some)).outcome, "committed");
      }
    };
    const items = [...database.dump()].filter(({ table }) => !LEFT_OUT.includes(table));
    for (const { table, item } of items) if (typeof item["id"] === "string") stored.set(`${table} ${item["id"]}`, { table, item });
    await put(items);
    await put(database.feed(undefined, 1_000).items.map((item) => ({ table: "smartfinance-audit-logs" as const, item })));
    await sealAll(file);
    await file.close();
    await app.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const verdict = (edit: (db: DatabaseSync) => void): Promise<string> => verdictOf(folder, signer.verifier, edit);

  const found = (id: string): { readonly table: TableName; readonly item: Item } => {
    for (const [key, one] of stored) if (key.endsWith(` ${id}`) && toldCollections.some(({ table }) => table === one.table)) return one;
    assert.fail(`nothing is stored as ${id}`);
  };
  const keyOf = ({ table, item }: { readonly table: TableName; readonly item: Item }) => {
    const { hash, range } = tableDefinition(table);
    return { hash: String(item[hash]), range: range === undefined ? undefined : String(item[range]) };
  };
  /** Writes another text wherever the store keeps one of this object. */
  const rewrite = (db: DatabaseSync, at: { readonly table: TableName; readonly item: Item }, body: string): void => {
    const { hash, range } = keyOf(at);
    const row = db.prepare(`UPDATE "${at.table}" SET body = ? WHERE hash = ?${range === undefined ? "" : " AND range = ?"}`);
    row.run(body, hash, ...(range === undefined ? [] : [range]));
    for (const journal of ["journal_0", "journal_1"])
      db.prepare(`UPDATE ${journal} SET body = ? WHERE name = ? AND hash = ? AND body IS NOT NULL`).run(body, at.table, hash);
  };

  it("finds nothing in the store as it was left", async () => {
    assert.equal(await verdict(() => undefined), "OK");
  });

  const hour = 3_600_000;
  const cases: [string, string, (item: Item) => Item, RegExp][] = [
    ["an overdraft limit", "payer", () => ({ overdraft_limit: 1_000_000 }), /overdraft_limit 1000000, its events say 700/],
    ["an interest rate", "payer", () => ({ interest_rate_bps: 9_000 }), /interest_rate_bps 9000/],
    ["a status of an account", "frozen", () => ({ status: "active" }), /status "active", its events say "frozen"/],
    ["an account that is closed", "payee", () => ({ status: "closed" }), /status "closed", its events say "active"/],
    ["a currency", "payee", () => ({ currency: "JPY" }), /currency "JPY"/],
    ["a type", "payee", () => ({ type: "settlement" }), /type "settlement"/],
    ["the owner of an account", "payee", () => ({ user_id: ids["user"] ?? "" }), /user_id/],
    ["a holder more", "payee", () => ({ holders: [{ user_id: ids["user"] ?? "", role: "owner", restriction: null }] }), /holders/],
    ["the organisation of an account", "payee", () => ({ organisation_id: "org_other" }), /organisation_id "org_other"/],
    ["an entry_count", "payee", () => ({ entry_count: 1 }), /entry_count 1, its events say/],
    ["funds that are no longer set aside", "payer", () => ({ reserved: [] }), /reserved\.hld_\w+ null, its events say \{"amount":650/],
    [
      "funds set aside of less",
      "payer",
      ({ reserved }) => ({ reserved: (reserved as Item[]).map((one) => ({ ...one, amount: 1 })) }),
      /reserved\.hld_\w+ \{"amount":1,/,
    ],
    [
      "funds set aside for longer",
      "payer",
      ({ reserved }) => ({ reserved: (reserved as Item[]).map((one) => ({ ...one, expires_at: Number(one["expires_at"]) + hour })) }),
      /reserved\.hld_/,
    ],
    ["an amount of a hold", "spent", () => ({ amount: 90_000 }), /amount 90000, its events say 1050/],
    ["what was captured of a hold", "spent", () => ({ captured_amount: 0 }), /captured_amount 0, its events say 400/],
    ["a status of a hold", "voided", () => ({ status: "active" }), /status "active", its events say "voided"/],
    ["an end of a hold", "spent", ({ expires_at }) => ({ expires_at: Number(expires_at) + hour }), /expires_at/],
    ["the payee of a hold", "spent", () => ({ to_account_id: ids["frozen"] ?? "" }), /to_account_id/],
    ["an amount of a transaction", "plain", () => ({ amount: 1 }), /amount 1, its events say 100/],
    ["a status of a transaction", "plain", () => ({ status: "rejected" }), /status "rejected", its events say "posted"/],
    ["a transaction changed with its version", "plain", () => ({ status: "rejected", version: 2 }), /status "rejected", its events say/],
    ["a type of a transaction", "plain", () => ({ type: "deposit" }), /type "deposit", its events say "transfer"/],
    ["the payee of a transaction", "plain", () => ({ to_account_id: ids["frozen"] ?? "" }), /to_account_id/],
    ["the entries of a transaction", "plain", ({ legs }) => ({ legs: (legs as Item[]).slice(1) }), /entries \[/],
    ["what was reversed", "reversed", () => ({ reversed_amount: 0 }), /reversed_amount 0, its events say 50/],
    ["what a reversal reverses", "reversal", () => ({ reverses: ids["plain"] ?? "" }), /reverses/],
    ["the hold of a capture", "capture", () => ({ hold_id: ids["voided"] ?? "" }), /hold_id/],
    ["a payment that waits", "waiting", () => ({ status: "rejected" }), /status "rejected", its events say "pending_review"/],
    ["a payment that was rejected", "rejected", () => ({ status: "pending_review" }), /its events say "rejected"/],
    ["a review that was rejected", "rejected-review", () => ({ status: "open" }), /status "open", its events say "rejected"/],
    ["a review that waits", "waiting-review", () => ({ status: "approved_once", work: approvedOnce() }), /first_approval_by|status/],
    ["who decided a review", "approved-review", () => ({ decided_by: "key_other" }), /decided_by "key_other"/],
    ["a status of a user", "closed", () => ({ status: "active" }), /status "active", its events say "closed"/],
    [
      "the scopes of a key",
      "key",
      () => ({ scopes: ["accounts:read", "transfers:write"] }),
      /scopes \["accounts:read","transfers:write"\]/,
    ],
    ["the limit of a key", "key", () => ({ rate_limit_per_minute: 1_000_000 }), /rate_limit_per_minute 1000000/],
    ["the allow-list of a key", "key", () => ({ ip_allowlist: [] }), /ip_allowlist \[\]/],
    ["the secret of a key", "key", () => ({ secret_hash: "0".repeat(64) }), /secret_mark/],
    ["the former secret of a key", "key", () => ({ previous_secret_hash: "0".repeat(64) }), /previous_secret_mark/],
    ["the end of a key", "key", () => ({ expires_at: 1 }), /expires_at 1, its events say null/],
    [
      "a key that was revoked",
      "revoked",
      ({ revoked_at: _at }) => ({ status: "active", revoked_at: null }),
      /status "active", its events say "revoked"|malformed/,
    ],
  ];
  for (const [name, which, change, what] of cases) {
    it(`names ${name}`, async () => {
      const at = found(ids[which] ?? "");
      const said = await verdict((db) => rewrite(db, at, JSON.stringify({ ...at.item, ...change(at.item) })));
      assert.match(said, what);
      assert.ok(said.includes(ids[which] ?? ""), said);
    });
  }

  it("names objects that are gone, cannot be read, lie elsewhere, or that no event speaks of", async () => {
    for (const which of ["payee", "spent", "plain", "reversal", "waiting-review", "closed", "key"]) {
      const at = found(ids[which] ?? "");
      const { hash, range } = keyOf(at);
      const gone = await verdict((db) => {
        db.prepare(`DELETE FROM "${at.table}" WHERE hash = ?${range === undefined ? "" : " AND range = ?"}`).run(
          hash,
          ...(range === undefined ? [] : [range]),
        );
        for (const journal of ["journal_0", "journal_1"])
          db.prepare(`DELETE FROM ${journal} WHERE name = ? AND hash = ?`).run(at.table, hash);
      });
      assert.match(gone, /is gone/);
      assert.ok(gone.includes(ids[which] ?? ""), gone);
    }
    const plain = found(ids["plain"] ?? "");
    assert.match(await verdict((db) => rewrite(db, plain, "[]")), /cannot be read|malformed|is gone/);
    for (const which of ["payee", "spent", "plain", "closed", "key"]) {
      const at = found(ids[which] ?? "");
      const id = `${String(at.item["id"]).slice(0, -1)}${String(at.item["id"]).endsWith("0") ? "1" : "0"}`;
      const item: Item = {
        ...at.item,
        id,
        ...(at.table === "smartfinance-accounts" ? { balance: 0, entry_count: 0 } : {}),
        ...("partition" in at.item ? { partition: partitionOf(at.item["organisation_id"] as OrganisationId, id) } : {}),
      };
      const { hash, range } = keyOf({ table: at.table, item });
      const said = await verdict((db) => {
        const sql = `INSERT INTO "${at.table}" (hash, ${range === undefined ? "" : "range, "}body) VALUES (?, ${range === undefined ? "" : "?, "}?)`;
        db.prepare(sql).run(hash, ...(range === undefined ? [] : [range]), JSON.stringify(item));
      });
      assert.match(said, /no event speaks of it/);
      assert.ok(said.includes(id), said);
    }
  });

  it("is given every collection of which the audit log is told", () => {
    const source = fileURLToPath(new URL("../../src", import.meta.url));
    let told = 0;
    for (const name of readdirSync(source, { recursive: true, encoding: "utf8" }))
      if (name.endsWith(".ts") && !name.endsWith(".test.ts"))
        told += readFileSync(join(source, name), "utf8").match(/^ {2}told: .*,$/gm)?.length ?? 0;
    assert.equal(told, toldCollections.length);
  });
});

const approvedOnce = (): Item => ({
  assignment: null,
  first_approval: { by: "key_other", at: 1, reason_code: "customer_confirmed" },
  reason_code: null,
  notes: 0,
});
