import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ALL_ROLES, ROLES } from "#kernel/roles.ts";
import type { RoleName } from "#kernel/roles.ts";
import { ALL_SCOPES, isScope } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import { exampleId } from "#http/index.ts";
import { idPrefixes } from "#kernel/ids.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok } from "../support/http-client.ts";
import type { Operation } from "./document.ts";
import { readDocument } from "./document.ts";
import type { Browser } from "./operators-kit.ts";
import { browserOf, invite, PASSWORD, person } from "./operators-kit.ts";

const document = await readDocument();
const guarded = document.operations.filter(({ scope }) => scope !== undefined);
const ownOperations = document.operations.filter(({ isSession }) => isSession);

const exampleOf: ReadonlyMap<string, string> = new Map(
  (Object.keys(idPrefixes) as (keyof typeof idPrefixes)[]).map((kind) => [idPrefixes[kind], exampleId(kind)]),
);

/** The path with well-formed ids of things that there are not, so that nothing is shown and nothing done. */
function pathOf(operation: Operation): string {
  return operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const pattern = operation.parameters.find((parameter) => parameter.in === "path" && parameter.name === name)?.schema.pattern ?? "";
    return exampleOf.get(pattern.slice(1, 4)) ?? "1";
  });
}

type Send = (
  method: string,
  path: string,
  text: string | undefined,
  headers: Readonly<Record<string, string | undefined>>,
) => Promise<Answer>;

/** Asks for an operation with a body that is no JSON: whoever is let in is told so, and nothing is done. */
function ask(operation: Operation, send: Send): Promise<Answer> {
  const headers = { "idempotency-key": operation.isIdempotent ? freshKey() : undefined };
  return send(operation.method, pathOf(operation), operation.method === "GET" ? undefined : "{", headers);
}

/** What a cell of the matrix comes to: let in, or refused for the scope. */
function cellOf(operation: Operation, answer: Answer): "allowed" | "refused" {
  if (answer.body.code === "insufficient_scope") {
    assert.equal(answer.status, 403);
    return "refused";
  }
  const { operationId } = operation;
  assert.notEqual(answer.status, 401, `${operationId}: ${answer.text}`);
  assert.ok(answer.status !== 403 && answer.status < 500, `${operationId}: ${answer.status} ${answer.text}`);
  if (operation.method !== "GET") assert.equal(answer.body.code, "invalid_json", `${operationId}: ${answer.text}`);
  return "allowed";
}

describe("AUTHZ-03 role x operation", () => {
  let app: TestApp;
  let own: Organisation;

  before(async () => {
    app = await startApp({ store: "memory" });
    own = await app.newOrganisation();
  });
  after(() => app.close());

  /** Waits for more of the quota where there is none left, which is told before the scope is looked at. */
  const patient =
    (send: Send): Send =>
    async (...request) => {
      const answer = await send(...request);
      if (answer.status !== 429) return answer;
      app.clock.advance(60_000);
      return send(...request);
    };
  const bySession = (browser: Browser): Send => patient((...request) => browser.sendText(...request));
  const byKey = (key: string): Send =>
    patient((method, path, text, headers) => app.anonymous.send(method, path, text, { key, idempotencyKey: null, headers }));

  it("has operations to look at, and every scope is needed by one", () => {
    assert.ok(guarded.length >= 100, `${guarded.length}`);
    assert.deepEqual(
      ALL_SCOPES.filter((scope) => !guarded.some((operation) => operation.scope === scope)),
      [],
    );
  });

  for (const role of ALL_ROLES) {
    const scopes: readonly Scope[] = ROLES[role].scopes;
    const wanted = (operation: Operation): "allowed" | "refused" => {
      assert.ok(isScope(operation.scope));
      return scopes.includes(operation.scope) ? "allowed" : "refused";
    };

    it(`${role}: an operator's session is let into exactly what the table says`, async () => {
      const { browser } = await person(app, own, [role as RoleName]);
      let cells = 0;
      for (const operation of guarded) {
        assert.equal(cellOf(operation, await ask(operation, bySession(browser))), wanted(operation), `${role} ${operation.operationId}`);
        cells += 1;
      }
      assert.equal(cells, guarded.length);
    });

    it(`${role}: so is an API key with the role's scopes`, async () => {
      const made = ok(await own.api.post("/v1/api-keys", { name: role, scopes, rate_limit_per_minute: 1_000_000 }), 201);
      for (const operation of guarded)
        assert.equal(cellOf(operation, await ask(operation, byKey(made.secret))), wanted(operation), `${role} ${operation.operationId}`);
    });
  }

  it("a session that waits for its factor is let into nothing but what gets it one", async () => {
    const invited = await invite(own, ["admin"]);
    const browser = browserOf(app);
    ok(await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD }), 200);
    for (const operation of guarded) {
      const answer = await ask(operation, bySession(browser));
      assert.equal(answer.body.code, "second_factor_required", operation.operationId);
      assert.ok(document.declares(operation, answer.status, "second_factor_required"));
    }
    const open: string[] = [];
    for (const operation of ownOperations.filter(({ operationId }) => operationId !== "signOut")) {
      const answer = await ask(operation, bySession(browser));
      if (answer.body.code !== "second_factor_required") open.push(operation.operationId);
    }
    assert.deepEqual(open.sort(), [
      "activateOwnTotp",
      "addOwnPasskey",
      "getCurrentSession",
      "listOwnFactors",
      "startOwnPasskey",
      "startOwnTotp",
      "verifySession",
    ]);
  });

  it("what an operator does about himself takes no API key, and nothing takes nobody", async () => {
    for (const operation of ownOperations) {
      const keyed = await ask(operation, byKey(own.apiKey));
      assert.equal(keyed.body.code, "session_required", operation.operationId);
      assert.ok(document.declares(operation, keyed.status, "session_required"));
      const nobody = await ask(operation, bySession(browserOf(app)));
      assert.equal(nobody.body.code, "unauthenticated", operation.operationId);
    }
  });

  it("a page of another site may change nothing with the cookie, whatever the role", async () => {
    const { browser } = await person(app, own, ["admin"]);
    for (const operation of [...guarded, ...ownOperations]) {
      if (operation.method === "GET") continue;
      for (const from of [
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "none" },
        { "sec-fetch-site": undefined, origin: "https://evil.example" },
        { "sec-fetch-site": undefined },
      ]) {
        const answer = await ask(operation, (method, path, text, headers) => browser.sendText(method, path, text, { ...headers, ...from }));
        assert.equal(answer.body.code, "cross_site_request", operation.operationId);
        assert.ok(document.declares(operation, answer.status, "cross_site_request"));
      }
    }
  });
});
