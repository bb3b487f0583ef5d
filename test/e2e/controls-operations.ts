import assert from "node:assert/strict";
import { it } from "node:test";
import type { Answer, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { approve, colleague, setPolicy, waiting } from "./controls-kit.ts";
import { person } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";

const KINDS = ["withdrawal", "account.overdraft", "review.approval", "api_key", "operator", "organisation", "risk_rules", "risk_model"];

/** Every operation that can be controlled, and what becomes of it when it is approved. */
export function controlledOperationFlows(stage: Stage): void {
  it("SOX-01 each controlled operation waits, and is then done by its own function", async () => {
    const { app } = stage;
    const own = await app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const drafter = await colleague(own, "Drafter");
    const user_id = await own.user();
    const key = (await colleague(own, "Reader", ["accounts:read"])).keyId;
    const there = await person(app, own, ["developer"]);
    const gone = await person(app, own, ["operations"]);
    ok(await own.api.post(`/v1/operators/${gone.id}/disable`, undefined, { idempotencyKey: null }), 200);
    const rules = [{ name: "large", expression: "amount > 100000", action: "review", reason_code: "amount_unusual" }];
    const drafted = await drafter.api.post("/v1/risk/rule-sets", { rules });
    const draft = ok(drafted, 201).id;
    ok(
      await setPolicy(
        own.api,
        KINDS.map((kind) => ({ kind })),
      ),
      200,
    );

    const put = (api: Client, path: string, body: object): Promise<Answer> => api.send("PUT", path, JSON.stringify(body));
    const bare = { idempotencyKey: null };
    const nobody = "mdl_01J0000000000000000000000B";
    const cases: readonly (readonly [kind: string, end: string, ask: () => Promise<Answer>])[] = [
      [
        "account.overdraft",
        "executed",
        () => own.api.post("/v1/accounts", { type: "checking", currency: "EUR", user_id, overdraft_limit: 5 }),
      ],
      ["api_key", "executed", () => own.api.patch(`/v1/api-keys/${key}`, { scopes: ["accounts:read", "users:read"] })],
      ["operator", "executed", () => own.api.post("/v1/operators", { name: "A", email: "a@example.com", roles: ["developer"] }, bare)],
      ["operator", "executed", () => own.api.post(`/v1/operators/${there.id}/invitation`, undefined, bare)],
      ["operator", "executed", () => own.api.patch(`/v1/operators/${there.id}`, { roles: ["auditor"] })],
      ["operator", "executed", () => own.api.post(`/v1/operators/${gone.id}/enable`, undefined, bare)],
      ["organisation", "executed", () => own.api.patch("/v1/organisation", { review_due_hours: 12 })],
      ["organisation", "executed", () => own.api.patch("/v1/session-policy", { idle_minutes: 10 })],
      ["risk_rules", "executed", () => own.api.post(`/v1/risk/rule-sets/${draft}/activate`)],
      ["risk_rules", "executed", () => put(own.api, "/v1/risk/policy", { review_above: 0.7 })],
      ["risk_model", "not_found", () => own.api.post(`/v1/risk/models/${nobody}/promote`, {})],
      ["risk_model", "no_former_model", () => own.api.post("/v1/risk/models/rollback")],
    ];
    for (const [kind, end, ask] of cases) {
      const asked = waiting(await ask());
      assert.equal(asked["kind"], kind);
      const done = ok(await approve(checker.api, asked.id), 200);
      const came = done.status === "failed" ? (done["failure"] as { code: string }).code : done.status;
      assert.equal(came, end, `${String(asked["summary"])}: ${JSON.stringify(done)}`);
    }
    assert.deepEqual(ok(await own.api.get(`/v1/api-keys/${key}`), 200)["scopes"], ["accounts:read", "users:read"]);
    assert.deepEqual(ok(await own.api.get(`/v1/operators/${there.id}`), 200)["roles"], ["auditor"]);
    assert.equal(ok(await own.api.get(`/v1/operators/${gone.id}`), 200).status, "active");
    assert.equal(ok(await own.api.get("/v1/organisation"), 200)["review_due_hours"], 12);
    assert.equal(ok(await own.api.get("/v1/session-policy"), 200)["idle_minutes"], 10);
    const risk = ok(await own.api.get("/v1/risk/policy"), 200);
    assert.deepEqual([risk["active_rule_set_id"], risk["review_above"]], [draft, 0.7]);
    const sca = ok(await own.api.get("/v1/sca/policy"), 200);
    const { id: _id, object: _object, updated_at: _at, version: _version, ...terms } = sca;
    const asked = waiting(await put(own.api, "/v1/sca/policy", terms));
    assert.equal(ok(await approve(checker.api, asked.id), 200).status, "executed");
  });
}
