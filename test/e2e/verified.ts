import assert from "node:assert/strict";
import { parseVkey, verifyStore } from "#log/index.ts";
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
  const report = await verifyStore({ store: app.store, log, told: toldCollections });
  assert.ok(report.ok, report.ok ? "" : report.what);
  assert.equal(report.untold, 0, "something is stored of which no event has told everything");
}
