import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import type { Verifier } from "#log/index.ts";
import { parseVkey } from "#log/index.ts";
import { movableClock, organisationOf } from "../support/app.ts";
import { createClient, ok } from "../support/http-client.ts";
import { startProcess } from "../support/process.ts";
import { browserOf, enrolTotp, invite, PASSWORD, person, signInAgain } from "./operators-kit.ts";
import { verdictOf } from "./verify-kit.ts";

type Row = Readonly<Record<string, unknown>>;

/** What a newcomer does first: the demo, its operator, a colleague, and then the auditor's program over what they left. */
describe("AUD-02 the store that the demo start makes", () => {
  let folder = "";
  let key: Verifier | undefined;
  let organisation = "";
  let admin = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-demo-"));
    const server = startProcess({
      SMARTFINANCE_DATA_DIR: join(folder, "good"),
      SMARTFINANCE_AUDIT_LOG: "false",
      SMARTFINANCE_AUDIT_ORIGIN: "bank.example/audit",
    });
    const client = createClient(await server.url);
    const said = server.stdout();
    const token = /"token":"([^"]+)"/.exec(said)?.[1];
    organisation = /\b(org_[0-9A-Z]{26})\b/.exec(said)?.[1] ?? "";
    const api = client.as(/export KEY=(\S+)/.exec(said)?.[1] ?? "");
    const own = organisationOf({ id: organisation, apiKeyId: "", apiKey: String(api.key) }, api);
    const app = { anonymous: client, clock: movableClock() };

    const browser = browserOf(app);
    const session = ok(await browser.post("/v1/operator-invitations/accept", { token, password: PASSWORD }), 200);
    admin = String(session["operator_id"]);
    const secret = await enrolTotp(browser, app.clock);
    await signInAgain(app, own, { id: admin, email: "admin@example.com", browser, secret });
    ok(await api.patch("/v1/session-policy", { idle_minutes: 5 }), 200);
    await invite(own, ["auditor"]);
    const gone = await person(app, own, ["developer"]);
    ok(await api.post(`/v1/operators/${gone.id}/disable`), 200);
    key = parseVkey(String(ok(await api.get("/v1/audit/key"), 200)["verifier_key"]));
    client.close();
    api.close();
    assert.equal(await server.stop(), 0);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function verdict(edit: (db: DatabaseSync) => void = () => undefined): Promise<string> {
    assert.ok(key);
    return verdictOf(folder, key, edit);
  }
  const insert = (row: Row, hash = String(row["id"])) => verdict((db) => void add(db, row, hash));
  const add = (db: DatabaseSync, row: Row, hash: string) =>
    db.prepare('INSERT OR REPLACE INTO "smartfinance-operators" (hash, body) VALUES (?, ?)').run(hash, JSON.stringify(row));
  const like = (db: DatabaseSync, pattern: string): Row => {
    const row = db.prepare('SELECT body FROM "smartfinance-operators" WHERE hash LIKE ?').get(pattern);
    assert.ok(row, pattern);
    return JSON.parse(String(row["body"])) as Row;
  };

  it("is found well as it was left, with all that lies beside the operators", async () => {
    assert.equal(
      await verdict((db) => {
        for (const pattern of ["opr_%#credentials", `${organisation}#sessions`, `${organisation}#%`]) like(db, pattern);
      }),
      "OK",
    );
  });

  it("is found wrong with a row beside an operator that nobody has ever invited", async () => {
    const stranger = "opr_01J0000000000000000000000B";
    const credentials = { operator_id: stranger, password: null, invitation: null, devices: [], sessions: [], version: 1 };
    assert.match(await insert({ id: `${stranger}#credentials`, ...credentials }), /opr_\w+#credentials is stored, and no event speaks of/);
    const claim = { of_organisation: organisation, email_index: "forged", operator_id: stranger, version: 1 };
    assert.match(await insert({ id: `${organisation}#forged`, ...claim }), /#forged is stored, and no event speaks of/);
    const policy = { of_organisation: "org_01J0000000000000000000000B", idle_minutes: 60, absolute_minutes: 1440, version: 1 };
    assert.match(await insert({ id: `${policy.of_organisation}#sessions`, ...policy }), /#sessions is stored, and no event speaks of/);
  });

  it("is found wrong with another's address given to an operator, and with rows that are no companions of anything", async () => {
    const claim = { of_organisation: organisation, email_index: "forged", operator_id: admin, version: 1 };
    assert.match(await insert({ id: `${organisation}#forged`, ...claim }), /#forged is not of opr_\w+, as it says/);
    assert.match(
      await verdict((db) => {
        const mine = db
          .prepare('SELECT body FROM "smartfinance-operators" WHERE hash LIKE ?')
          .all(`${organisation}#%`)
          .map(({ body }) => JSON.parse(String(body)) as Row)
          .find(({ operator_id }) => operator_id !== undefined && operator_id !== admin);
        assert.ok(mine);
        add(db, { ...mine, operator_id: admin }, String(mine["id"]));
      }),
      /is not of opr_\w+, as it says/,
    );
    assert.match(await insert({ id: `${admin}#more`, version: 1 }), /#more is stored, and no event speaks of it/);
    assert.match(
      await verdict((db) => void add(db, like(db, `${admin}#credentials`), `${admin}#elsewhere`)),
      /is kept under the key of opr_\w+#elsewhere/,
    );
    assert.match(
      await verdict((db) => {
        const row = like(db, admin);
        add(db, { ...row, id: "opr_01J0000000000000000000000B" }, "opr_01J0000000000000000000000B");
      }),
      /opr_01J0000000000000000000000B is stored, and no event speaks of it/,
    );
  });
});
