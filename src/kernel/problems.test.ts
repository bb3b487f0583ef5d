import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import { test } from "node:test";
import { problemBody, statusOf } from "./problem-body.ts";
import { type ProblemCode, problems, refuse } from "./problems.ts";

const codes = Object.keys(problems) as ProblemCode[];

test("there are problems to look at", () => assert.ok(codes.length >= 50));

for (const code of codes) {
  test(`${code} has a status of HTTP's and a sentence for a title`, () => {
    const { status, title } = problems[code];
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599);
    assert.ok(STATUS_CODES[status] !== undefined, `${status} is registered`);
    assert.match(title, /^[A-Z][^\n]*\.$/);
    assert.doesNotMatch(title, /\.\.$|\s\s|^\s|\s$/);
  });
}

test("no two problems have the same title", () => {
  assert.equal(new Set(codes.map((code) => problems[code].title)).size, codes.length);
});

test("a refusal carries what it was given and nothing else", () => {
  assert.deepEqual(refuse("not_found"), { ok: false, code: "not_found" });
  assert.deepEqual(refuse("invalid_request", "a.b"), { ok: false, code: "invalid_request", param: "a.b" });
  assert.deepEqual(refuse("invalid_request", undefined, "why"), { ok: false, code: "invalid_request", detail: "why" });
  assert.deepEqual(refuse("invalid_request", "a", "why"), { ok: false, code: "invalid_request", param: "a", detail: "why" });
});

test("a refusal's body is RFC 9457 problem details", () => {
  const refusal = refuse("insufficient_funds", "amount", 'He said "no".\n');
  assert.equal(statusOf(refusal.code), 422);
  assert.deepEqual(JSON.parse(problemBody(refusal, "req_1")), {
    type: "urn:smartfinance:problem:insufficient_funds",
    title: "The available balance is too small.",
    status: 422,
    code: "insufficient_funds",
    param: "amount",
    detail: 'He said "no".\n',
    request_id: "req_1",
  });
  assert.deepEqual(Object.keys(JSON.parse(problemBody(refuse("not_found"), null)) as object), ["type", "title", "status", "code"]);
});
