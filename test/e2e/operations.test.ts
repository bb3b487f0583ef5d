import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mintApiKey } from "#access/index.ts";
import type { ApiKeyId } from "#kernel/ids.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { systemRandom } from "#kernel/random.ts";
import { ALL_SCOPES, isScope } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer, CallOptions, Client } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { contentsOf } from "./contents.ts";
import type { Operation } from "./document.ts";
import { readDocument } from "./document.ts";
import { malformedBodies, malformedTexts } from "./malformed.ts";
import { assertVerified } from "./verified.ts";
import type { Landmarks, Request } from "./operation-cases.ts";
import { recordingSender } from "./operation-cases/factors.ts";
import { furtherQueries, makeLandmarks, operationCases, pathOf } from "./operation-cases.ts";

/** Operations that anyone may call. This list may only shrink. */
const PUBLIC: readonly string[] = ["getHealth", "getReadiness", "acceptInvitation", "getSignInOptions", "signIn"];

const ID =
  /^(apr|opr|acc|usr|fac|txn|hld|rev|key|evt|org|rot|dek|rul|lst|dry|mdl|trn|whk|dlv|hps|aut|ben|sto)_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
/** Well-formed ids of things that do not exist. */
const unknownId = (prefix: string): string => `${prefix}_01J0000000000000000000000B`;

const document = await readDocument();
/** What only operators who are signed in may do is walked by operators-operations.test.ts. */
const operations = document.operations.filter(({ isSession }) => !isSession);
const walked = new Set<string>();

const POLLS_MAX = 200;

describe("every operation of the OpenAPI document", () => {
  let app: TestApp;
  let own: Organisation;
  let landmarks: Landmarks;
  let foreign: Landmarks;
  let revokedKey = "";
  /** Clients with keys of one scope each. */
  const only = new Map<Scope, Client>();

  before(async () => {
    app = await startApp({ store: "memory", codeSender: recordingSender });
    own = await app.newOrganisation();
    const other = await app.newOrganisation();
    landmarks = await makeLandmarks(own, app.clock);
    foreign = await makeLandmarks(other, app.clock);
    await app.app.log.worker.work();
    // From here on nothing is left by anything but requests.
    await app.app.webhooks.stop();
    const made = ok(await own.api.post("/v1/api-keys", { name: "Revoked" }), 201);
    ok(await own.api.post(`/v1/api-keys/${made.id}/revoke`), 200);
    revokedKey = made.secret;
    for (const scope of ALL_SCOPES) {
      const key = ok(await own.api.post("/v1/api-keys", { name: scope, scopes: [scope], rate_limit_per_minute: 1_000_000 }), 201);
      only.set(scope, own.api.as(key.secret));
    }
  });
  after(() => app.close());

  const contents = (): string => contentsOf(app.shared.database);

  function send(operation: Operation, request: Request, options: CallOptions & { readonly text?: string | Buffer } = {}): Promise<Answer> {
    const path = pathOf(operation.path, request);
    const query = request.query === undefined ? "" : `?${new URLSearchParams(request.query).toString()}`;
    const body = options.text ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
    const idempotencyKey = operation.isIdempotent ? freshKey() : null;
    return own.api.send(operation.method, path + query, body, { idempotencyKey, ...options });
  }

  /** A list looks through so many records at a time, so an empty page may have another one behind it: those must be as empty. */
  async function refusesOrGivesNothing(operation: Operation, request: Request, first: Answer): Promise<boolean> {
    let answer = first;
    for (let pages = 0; pages < 50; pages++) {
      if (!isRefusalOrEmpty(answer)) return false;
      if (answer.body.has_more !== true) return true;
      answer = await send(operation, { ...request, query: { ...request.query, cursor: String(answer.body.next_cursor) } });
    }
    throw new Error("a list without an end");
  }

  /** Asserts a refusal that the document knows of, too. */
  function refusedAsDeclared(operation: Operation, answer: Answer, code: ProblemCode, param?: string): void {
    refused(answer, code, param);
    assert.ok(document.declares(operation, answer.status, code), `the document does not say that ${operation.operationId} answers ${code}`);
    assert.equal(document.complaints(operation, answer.status, answer.body), undefined);
  }

  /** Runs refused requests and asserts that nothing is stored and no audit event is left by any of them. */
  async function withoutTrace(work: () => Promise<void>): Promise<void> {
    const seen = await newestEvent(own.api);
    const stored = contents();
    await work();
    assert.equal(await newestEvent(own.api), seen, "a refused request left an audit event");
    assert.equal(contents(), stored, "a refused request changed something");
  }

  for (const operation of operations) {
    const { operationId, method, path, isPublic } = operation;
    const facts = operationCases[operationId];
    describe(`${operationId} (${method} ${path})`, () => {
      const prepare = async (): Promise<Request> => {
        assert.ok(facts, `operation-cases has no case for ${operationId}`);
        return facts.prepare(own, landmarks, app.clock);
      };

      it("answers what it declares and leaves the audit events it should", async () => {
        walked.add(operationId);
        const request = await prepare();
        assert.ok(facts);
        const seen = await newestEvent(own.api);
        const stored = contents();
        const answer = await send(operation, request);
        const body = facts.media === undefined ? ok(answer, facts.status) : textOf(answer, facts.status, facts.media);
        assert.deepEqual(document.complaints(operation, answer.status, body), undefined);
        const events = await eventsAfter(own.api, seen);
        assert.deepEqual(
          events.map((event) => event["event_type"]),
          facts.events,
        );
        for (const event of events) {
          assert.equal(event["organisation_id"], own.id);
          if (facts.eventsOfOthers?.includes(String(event["event_type"])) === true) continue;
          assert.equal(event["api_key_id"], own.apiKeyId);
          assert.equal(event.request_id, answer.headers["x-request-id"]);
          assert.equal(event["ip_address"], "127.0.0.1");
        }
        if (method === "GET") assert.equal(contents(), stored, "a GET changed something");
        else assert.notEqual(facts.events.length, 0, "what changes something is audited");
      });

      if (isPublic) {
        it("is one of the few public ones", () => assert.ok(PUBLIC.includes(operationId)));
      } else {
        it("refuses everyone without a good key, all in the same words", async () => {
          const request = await prepare();
          const mint = (id: string): string => mintApiKey({ id: id as ApiKeyId, environment: "test", random: systemRandom() }).text;
          const keys = {
            none: null,
            empty: "",
            malformed: "let me in",
            "cut off": own.apiKey.slice(0, -1),
            "wrong checksum": `${own.apiKey.slice(0, -6)}000000`,
            "wrong secret": mint(own.apiKeyId),
            "unknown id": mint(unknownId("key")),
            "of the other environment": own.apiKey.replace("sfk_test_", "sfk_live_"),
            revoked: revokedKey,
          };
          await withoutTrace(async () => {
            const told = new Set<string>();
            for (const [what, key] of Object.entries(keys)) {
              const answer = await send(operation, request, { key });
              assert.equal(answer.status, 401, what);
              refusedAsDeclared(operation, answer, "unauthenticated");
              assert.match(answer.headers["www-authenticate"] ?? "", /^ApiKey/);
              told.add(JSON.stringify({ ...answer.body, request_id: "" }));
            }
            assert.equal(told.size, 1, "the answers tell which keys exist");
          });
        });

        it("AUTHZ-01 takes another organisation's ids like unknown ones", async () => {
          const request = await prepare();
          const requests = [
            request,
            ...(furtherQueries[operationId] === undefined ? [] : [{ query: furtherQueries[operationId](landmarks) }]),
          ];
          await withoutTrace(async () => {
            let tried = 0;
            for (const good of requests) {
              for (const [where, prefix, put] of idPlaces(good)) {
                const stranger = await send(operation, put(foreign[prefix]));
                const nobody = await send(operation, put(unknownId(prefix)));
                assert.equal(withoutIds(stranger), withoutIds(nobody), `${where} tells that another organisation's id exists`);
                assert.ok(await refusesOrGivesNothing(operation, put(foreign[prefix]), stranger), `${where}: ${stranger.text}`);
                if (stranger.status >= 400)
                  assert.ok(document.declares(operation, stranger.status, stranger.body.code), `${stranger.body.code} is not declared`);
                tried += 1;
              }
            }
            const named = operation.parameters.filter(({ schema }) => isIdPattern(schema.pattern)).length;
            assert.ok(tried >= named, `${named} parameters name things, ${tried} were tried`);
          });
        });
      }

      if (!isPublic)
        it("AUTHZ-03 takes a key with its one scope and no other, and tells which is missing", async () => {
          const needed = operation.scope;
          assert.ok(facts);
          assert.ok(isScope(needed), "the document names no scope of the table");
          const others = ALL_SCOPES.filter((scope) => scope !== needed);
          const allOthers = ok(await own.api.post("/v1/api-keys", { name: "All but one", scopes: others }), 201).secret;
          const request = await prepare();
          const seen = await newestEvent(own.api);
          const stored = contents();
          const refuseAll = async (): Promise<void> => {
            for (const key of [allOthers, ...others.map((scope) => only.get(scope)?.key)]) {
              // A body that is no JSON: it must not be looked at.
              const answer = await send(operation, request, { key: key ?? null, ...(method === "GET" ? {} : { text: "{" }) });
              refusedAsDeclared(operation, answer, "insufficient_scope");
              assert.match(String(answer.body["detail"]), new RegExp(`\\b${needed}\\b`));
            }
          };
          if (facts.sensitive === true) {
            await refuseAll();
            // The refusals do not wait for their events.
            let events = await eventsAfter(own.api, seen);
            for (let poll = 0; poll < POLLS_MAX && events.length <= others.length; poll++) {
              await sleep(5);
              events = await eventsAfter(own.api, seen);
            }
            assert.equal(events.length, others.length + 1);
            for (const event of events) {
              assert.equal(event["event_type"], "access.scope_refused");
              assert.deepEqual(event["details"], { operation: `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`, scope: needed });
            }
          } else await withoutTrace(refuseAll);
          if (method === "GET") assert.equal(contents(), stored);
          const alone = await send(operation, request, { key: only.get(needed)?.key ?? null });
          if (facts.alone === undefined) assert.equal(alone.status, facts.status, alone.text);
          else refusedAsDeclared(operation, alone, facts.alone);
        });

      it("KEY-03 refuses keys in the query, and unknown, repeated and malformed parameters", async () => {
        const request = await prepare();
        await withoutTrace(async () => {
          const ask = (query: string): Promise<Answer> =>
            own.api.send(method, `${pathOf(path, request)}?${query}`, request.body && JSON.stringify(request.body), {
              idempotencyKey: operation.isIdempotent ? freshKey() : null,
            });
          refusedAsDeclared(operation, await ask("surprise=1"), "unknown_field", "surprise");
          for (const name of ["key", "api_key", "X-API-Key", "apikey", "token", "access_token", "secret"]) {
            const answer = await ask(`${name}=${own.apiKey}`);
            refusedAsDeclared(operation, answer, "key_in_query");
            assert.ok(!answer.text.includes(own.apiKey));
          }
          for (const parameter of operation.parameters.filter((p) => p.in === "query")) {
            const { name } = parameter;
            for (const value of malformedValues(name)) {
              const code = name === "cursor" ? "invalid_cursor" : "invalid_request";
              refusedAsDeclared(operation, await ask(`${name}=${encodeURIComponent(value)}`), code, name);
            }
            refusedAsDeclared(operation, await ask(`${name}=1&${name}=2`), "invalid_request", name);
          }
          if (path.includes("{id}")) {
            for (const id of [
              "x",
              "..",
              "acc_",
              `${request.id?.slice(0, -1)}i`,
              `${request.id}0`,
              "%00",
              "%F0%9F%92%B0",
              "usr_01J0000000000000000000000B%0a",
            ]) {
              const answer = await send(operation, { ...request, id });
              // `..` is taken away by the client or the router: there is no such path, or one that is for others.
              assert.ok([400, 403, 404, 405].includes(answer.status), `${id}: ${answer.text}`);
            }
            refusedAsDeclared(operation, await send(operation, { ...request, id: "x" }), "invalid_request", "id");
          }
        });
      });

      if (method !== "GET")
        it("ERR-01 AUTHZ-02 refuses every malformed body with the code and the field, server-owned fields among them", async () => {
          const request = await prepare();
          await withoutTrace(async () => {
            if (operation.body === undefined) {
              refusedAsDeclared(operation, await send(operation, { ...request, body: { surprise: 1 } }), "unknown_field", "surprise");
              refusedAsDeclared(operation, await send(operation, request, { text: "[1]" }), "invalid_request");
              refusedAsDeclared(operation, await send(operation, request, { text: "{" }), "invalid_json");
              return;
            }
            assert.ok(request.body);
            let tried = 0;
            for (const { what, body, code, param } of malformedBodies(operation.body, { ...request.body, ...facts?.excluded })) {
              tried += 1;
              const answer = await send(operation, request, { text: body });
              assert.equal(
                `${answer.body.code} ${String(answer.body["param"])}`,
                `${code} ${String(param)}`,
                `${what}: ${answer.text} ${body}`,
              );
              refusedAsDeclared(operation, answer, code, param);
            }
            assert.ok(tried > 20);
            for (const { what, body, code, param, contentType } of malformedTexts(request.body)) {
              if (what === "empty" && operation.bodyOptional) continue;
              const answer = await send(operation, request, {
                text: body,
                ...(contentType && { headers: { "content-type": contentType } }),
              });
              assert.equal(answer.body.code, code, `${what}: ${answer.text}`);
              refusedAsDeclared(operation, answer, code, param);
            }
            const packed = await send(operation, request, { headers: { "content-encoding": "gzip" } });
            refusedAsDeclared(operation, packed, "unsupported_media_type");
          });
        });

      if (operation.isIdempotent)
        it("IDEM-01 wants a sound Idempotency-Key", async () => {
          const request = await prepare();
          await withoutTrace(async () => {
            refusedAsDeclared(operation, await send(operation, request, { idempotencyKey: null }), "idempotency_key_missing");
            for (const key of ["a b", '"open', "ü", "k".repeat(256)])
              refusedAsDeclared(operation, await send(operation, request, { idempotencyKey: key }), "idempotency_key_invalid");
          });
        });
    });
  }

  it("walked the whole document, and no case stands for an operation that is gone", () => {
    assert.ok(document.operations.length >= 37, "the document has fewer operations than it had");
    assert.deepEqual([...walked].sort(), operations.map(({ operationId }) => operationId).sort());
    assert.deepEqual(Object.keys(operationCases).sort(), [...walked].sort());
    assert.deepEqual(
      document.operations
        .filter(({ isPublic }) => isPublic)
        .map(({ operationId }) => operationId)
        .sort(),
      [...PUBLIC].sort(),
    );
  });

  it("AUD-02 left nothing but what its events say", () => assertVerified(app));

  it("KEY-03 kept every API key out of the logs", () => {
    assert.ok(app.log.length > 1000);
    assert.ok(!app.log.some((line) => line.includes("sfk_")));
  });
});

/** The text of an answer that is no JSON. */
function textOf(answer: Answer, status: number, media: string): string {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], media);
  return answer.text;
}

function isIdPattern(pattern: string | undefined): boolean {
  return pattern !== undefined && /^\^[a-z]{3}_/.test(pattern);
}

type Place = readonly [where: string, prefix: keyof Landmarks, put: (id: string) => Request];

/** Every place of a request that holds an id, and how to put another one there. */
function* idPlaces(request: Request): Generator<Place> {
  // A tile of the audit log is named by its place in a tree that is nobody's own.
  if (request.id !== undefined && ID.test(request.id)) yield ["the path", prefixOf(request.id), (id) => ({ ...request, id })];
  for (const [name, value] of Object.entries(request.path ?? {}))
    yield [`{${name}}`, prefixOf(value), (id) => ({ ...request, path: { ...request.path, [name]: id } })];
  for (const [name, value] of Object.entries(request.query ?? {}))
    if (ID.test(value)) yield [`?${name}`, prefixOf(value), (id) => ({ ...request, query: { ...request.query, [name]: id } })];
  const text = JSON.stringify(request.body ?? {});
  for (const { 0: quoted, index } of text.matchAll(/"[a-z]{3}_[0-9A-Z]{26}"/g)) {
    const put = (id: string): Request => ({
      ...request,
      body: JSON.parse(`${text.slice(0, index)}"${id}"${text.slice(index + quoted.length)}`) as Record<string, unknown>,
    });
    yield [`the body at ${text.slice(0, index)}`, prefixOf(quoted.slice(1, -1)), put];
  }
}

function prefixOf(id: string): keyof Landmarks {
  const prefix = ID.exec(id)?.[1];
  assert.ok(prefix, `${id} is no id`);
  return prefix as keyof Landmarks;
}

/** An answer in whole, without what differs between any two answers. */
function withoutIds(answer: Answer): string {
  const { body, status } = answer;
  return JSON.stringify([status, { ...body, request_id: "" }]);
}

function isRefusalOrEmpty({ status, body }: Answer): boolean {
  if (status >= 400) return true;
  if (body.data !== undefined) return body.data.length === 0;
  return body.results !== undefined && body.results.length > 0 && body.results.every((result) => Number(result.status) >= 400);
}

/** Values of a query parameter that nobody can mean. */
function malformedValues(name: string): readonly string[] {
  switch (name) {
    case "limit":
      return ["0", "101", "-1", "1.5", "1e1", " 1", "ten", "9007199254740993"];
    case "cursor":
      return ["nonsense", "\u{1f4b0}", "W10", "eyJhIjoxfQ", "a".repeat(3000)];
    case "at":
    case "created_from":
    case "created_to":
    case "posted_from":
    case "posted_to":
      return ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z", "0"];
    case "assigned_to":
      return ["%", "a b", "-", "'; DROP TABLE accounts", "x".repeat(65)];
    default:
      return ["nonsense", "%", "'; DROP TABLE accounts"];
  }
}
