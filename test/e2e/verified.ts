import assert from "node:assert/strict";
import type { VerifiedStore } from "#log/index.ts";
import { parseVkey, verifyStore } from "#log/index.ts";
import type { Item, TableName } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";
import { toldCollections } from "#told-collections.ts";
import type { TestApp } from "../support/app.ts";
import { ok } from "../support/http-client.ts";
import { sealedUp } from "./log-flows.ts";

/** Seals the log of a store and holds all that is stored against what its events say, as an auditor does. */
export async function assertVerified(app: TestApp): Promise<void> {
  const { api } = await app.newOrganisation();
  await sealedUp(app, api);
  const log = parseVkey(String(ok(await api.get("/v1/audit/key"), 200)["verifier_key"]));
  assert.ok(log);
  const report = await verifyStore({ store: withRows(app), log, told: toldCollections });
  assert.ok(report.ok, report.ok ? "" : report.what);
  assert.equal(report.untold, 0, "something is stored of which no event has told everything");
}

/** The store of a test; every row of it too where it is kept in memory, as an auditor finds them in a stopped server's file. */
function withRows({ store, shared: { database } }: TestApp): VerifiedStore {
  if (database === undefined) return store;
  const rowsOf = function* (table: TableName) {
    const { hash, range } = tableDefinition(table);
    for (const { table: other, item } of database.dump())
      if (other === table) yield { hash: text(item, hash), ...(range === undefined ? {} : { range: text(item, range) }), item };
  };
  return { ...store, rows: rowsOf };
}

const text = (item: Item, name: string): string => String(item[name]);
