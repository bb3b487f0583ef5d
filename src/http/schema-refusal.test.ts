import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { parseTimestamp } from "#kernel/clock.ts";
import { idPattern, idPrefixes } from "#kernel/ids.ts";
import type { IdKind } from "#kernel/ids.ts";
import { FINGERPRINT, idField, metadataField, PHONE, referenceField, timeParameter, versionTagHeader } from "./fields.ts";
import { newestFirst, pageParameters, readTimes } from "./page-query.ts";
import { exampleId, patternInWords } from "./pattern-words.ts";
import { createTestServer } from "./testing.ts";

test("a malformed field is told what it must be, in words and with an example, never as an expression", async () => {
  const { app } = createTestServer();
  app.post(
    "/v1/accounts/:id",
    {
      config: { access: "public", scope: null },
      schema: {
        operationId: "probe",
        params: Type.Object({ id: idField("account") }),
        querystring: Type.Object({ ...pageParameters, at: timeParameter }, { additionalProperties: false }),
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: Type.Object({ key: idField("apiKey"), user: Type.Optional(idField("user")), text: Type.Optional(referenceField) }),
      },
    },
    () => ({}),
  );
  const good = { key: exampleId("apiKey") };
  const ask = async (url: string, body: object, headers: Record<string, string> = {}): Promise<string[]> => {
    const answer = await app.inject({ method: "POST", url, payload: body, headers });
    const { code, param, detail } = answer.json<{ code: string; param: string; detail: string }>();
    return [code, param, detail];
  };
  const url = `/v1/accounts/${exampleId("account")}`;
  assert.equal((await app.inject({ method: "POST", url, payload: good })).statusCode, 200);
  const cases: [string[], string, string][] = [
    [await ask("/v1/accounts/x", good), "id", `"id" must be an account id, like ${exampleId("account")}.`],
    [await ask(url, { key: "x" }), "key", `"key" must be an API key id, like ${exampleId("apiKey")}.`],
    [await ask(url, { ...good, user: exampleId("account") }), "user", `"user" must be a user id, like ${exampleId("user")}.`],
    [await ask(url, { ...good, text: "a\u0000" }), "text", '"text" must be text without control characters.'],
    [await ask(`${url}?limit=0`, good), "limit", '"limit" must be a whole number from 1 to 100.'],
    [await ask(`${url}?at=yesterday`, good), "at", '"at" must be an RFC 3339 time, like 2026-11-22T18:31:00.123Z.'],
    [await ask(url, good, { "if-match": "3" }), "if-match", '"if-match" must be an entity tag as it was sent, like "3".'],
  ];
  for (const [told, param, detail] of cases) assert.deepEqual(told, ["invalid_request", param, detail]);
  await app.close();
});

test("every kind of id is known by its pattern, and its example has the form", () => {
  for (const kind of Object.keys(idPrefixes) as IdKind[]) {
    assert.match(patternInWords(idPattern(kind)) ?? "", /^an? [A-Za-z ]+ id, like [a-z]+_[0-9A-Z]{26}$/);
    assert.match(exampleId(kind), new RegExp(idPattern(kind)));
  }
  assert.equal(patternInWords("^something else$"), undefined);
  assert.equal(patternInWords(undefined), undefined);
});

test("times that no calendar has are refused by the name of their parameter", () => {
  const from = "2026-02-28T00:00:00Z";
  assert.deepEqual(readTimes({ from, to: undefined }), { ok: true, times: { from: parseTimestamp(from), to: undefined } });
  assert.deepEqual(readTimes({ from, to: "2026-02-30T00:00:00Z" }), {
    ok: false,
    code: "invalid_request",
    param: "to",
    detail: "There is no such time.",
  });
});

test("a page's query goes on from the cursor, where there is one", () => {
  const query = { table: "smartfinance-holds", index: "AccountHoldsIndex", hash: "acc", order: "descending", limit: 3 };
  assert.deepEqual(newestFirst("smartfinance-holds", "AccountHoldsIndex", "acc", { limit: 3 }), query);
  assert.deepEqual(newestFirst("smartfinance-holds", "AccountHoldsIndex", "acc", { limit: 3, cursor: "c" }), { ...query, cursor: "c" });
});

test("every keyword is told in words, in one style, and long lists by what is in them", async () => {
  const { app } = createTestServer();
  const word = Type.String({ minLength: 2, maxLength: 3 });
  const fields = {
    phone: Type.String({ pattern: PHONE }),
    country: Type.String({ enum: ["AQ", "DE", "GB", ...Array.from({ length: 30 }, (_, n) => `X${n}`)] }),
    currency: Type.String({ enum: ["EUR", "JPY", ...Array.from({ length: 30 }, (_, n) => `X${n}`)] }),
    status: Type.String({ enum: ["open", "closed"] }),
    list: Type.Array(word, { minItems: 1, maxItems: 2 }),
    count: Type.Integer({ minimum: 1, maximum: 10 }),
    flag: Type.Boolean(),
    odd: Type.String({ pattern: "^no words for this$" }),
    maybe: Type.Union([word, Type.Null()]),
    metadata: metadataField,
    certificate: Type.String({ pattern: FINGERPRINT }),
  };
  app.post(
    "/probe",
    {
      config: { access: "public", scope: null },
      schema: { operationId: "words", body: Type.Partial(Type.Object(fields), { additionalProperties: false, minProperties: 1 }) },
    },
    () => ({}),
  );
  const told = async (payload: object): Promise<string> => {
    const answer = await app.inject({ method: "POST", url: "/probe", payload });
    return answer.json<{ detail?: string }>().detail ?? `${answer.statusCode}`;
  };
  const cases: [object, string][] = [
    [{}, "The body must have at least 1 field."],
    [
      { phone: "020 7946 0000" },
      '"phone" must be a telephone number in E.164 (a plus, the country code, the number; no blanks), like +442079460000.',
    ],
    [{ country: "UK" }, '"country" must be an ISO 3166-1 alpha-2 code in capital letters, like GB (the United Kingdom; not UK) or DE.'],
    [{ currency: "eur" }, '"currency" must be an ISO 4217 code in capital letters, like EUR.'],
    [{ status: "gone" }, '"status" must be one of: open, closed.'],
    [{ list: [] }, '"list" must have at least 1 item.'],
    [{ list: ["aa", "aa", "aa"] }, '"list" must have at most 2 items.'],
    [{ list: ["a"] }, '"list.0" must have at least 2 characters.'],
    [{ list: ["aaaa"] }, '"list.0" must have at most 3 characters.'],
    [{ count: 0 }, '"count" must be 1 or more.'],
    [{ count: 11 }, '"count" must be 10 or less.'],
    [{ count: "3" }, '"count" must be a whole number.'],
    [{ flag: "yes" }, '"flag" must be true or false.'],
    [{ odd: "x" }, '"odd" does not have the form that the API reference gives.'],
    [{ metadata: { "a b": "c" } }, '"metadata.a b" is not known to this operation.'],
    [{ certificate: "ab:cd" }, '"certificate" must be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons between pairs.'],
    [{ certificate: Array.from({ length: 32 }, () => "AB").join(":") }, "200"],
    [{ certificate: "ab".repeat(32) }, "200"],
  ];
  for (const [payload, detail] of cases) assert.equal(await told(payload), detail, JSON.stringify(payload));
  assert.match(await told({ maybe: 7 }), /^"maybe" must be .*\.$/);
  await app.close();
});

test("a closed list too long to be read out is named, not cut off", async () => {
  const { app } = createTestServer();
  const values = Array.from({ length: 25 }, (_, n) => `value_${n}`);
  const body = Type.Object({
    any: Type.Optional(Type.String({ enum: values })),
    event: Type.Optional(Type.String({ enum: [...values, "transfer.posted"] })),
  });
  app.post("/v1/listed", { config: { access: "public", scope: null }, schema: { operationId: "listed", body } }, () => ({}));
  const told = async (payload: object) =>
    (await app.inject({ method: "POST", url: "/v1/listed", payload })).json<{ detail: string }>().detail;
  assert.equal(await told({ any: "x" }), '"any" must be one of the 25 values that the API reference (/docs) lists, like value_0.');
  assert.match(
    await told({ event: "x" }),
    /^"event" must be one of the 26 types of events that docs\/webhooks\.md .* list, like value_0\.$/,
  );
  await app.close();
});
