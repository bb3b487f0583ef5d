import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { ProblemCode } from "#kernel/problems.ts";
import type { Organisation, StartOptions } from "../support/app.ts";
import type { RawConnection } from "../support/http-client.ts";
import { newId } from "../support/builders.ts";
import { createClient, ok, rawConnection, refused } from "../support/http-client.ts";
import { auditBooks, stageFor } from "./stage.ts";

/** Limits under which attacks of a second or two show all there is to see. */
const DOS_LIMITS = {
  headersTimeoutMs: 150,
  requestTimeoutMs: 300,
  deadlineMs: 30_000,
  connectionsCheckMs: 25,
  lingerMs: 100,
  openRequests: 4,
};
const LORIS = 60;
const FLOOD = 96;
const FLOOD_ROUNDS = 4;

const MIB = 1024 * 1024;
const transfer = (from: string, to: string, extra: string): string =>
  `{"from_account_id":"${from}","to_account_id":"${to}","amount":1,"currency":"EUR"${extra}}`;

/** Bodies made to cost much or to break something, none of which is a request that this API knows. */
function bombs(from: string, to: string): readonly (readonly [string, string, readonly ProblemCode[]])[] {
  const nested = (open: string, shut: string, depth: number): string => `,"metadata":{"a":${open.repeat(depth)}1${shut.repeat(depth)}}`;
  const wide = Array.from({ length: 90_000 }, (_, n) => `"f${n}":1`).join(",");
  return [
    ["arrays in depth", transfer(from, to, nested("[", "]", 50_000)), ["too_deep"]],
    ["objects in depth", transfer(from, to, nested('{"a":', "}", 50_000)), ["too_deep"]],
    ["half a million numbers", `[${"0,".repeat(500_000)}0]`, ["invalid_request"]],
    ["a third of a million empty arrays", `[${"[],".repeat(340_000)}[]]`, ["invalid_request"]],
    ["ninety thousand fields", `{${wide}}`, ["unknown_field", "missing_field"]],
    ["ninety thousand times one field", `{${'"a":1,'.repeat(90_000)}"a":1}`, ["duplicate_field"]],
    ["a number of a million digits", transfer(from, to, `,"reference":${"9".repeat(MIB - 300)}`), ["number_out_of_range"]],
    ["a fraction of a million digits", transfer(from, to, `,"reference":0.${"3".repeat(MIB - 300)}`), ["number_out_of_range"]],
    ["an exponent of a million digits", transfer(from, to, `,"reference":1e${"9".repeat(MIB - 300)}`), ["number_out_of_range"]],
    // For patterns that go back and forth: an id that is nearly one, a reference with its fault at the end, a name of a metadata field.
    ["an id of a megabyte", transfer(`acc_${"0".repeat(MIB - 300)}!`, to, ""), ["invalid_request"]],
    ["a reference of a megabyte", transfer(from, to, `,"reference":"${"a ".repeat(MIB / 2 - 300)}\\u0001"`), ["invalid_request"]],
    [
      "a name of a megabyte",
      transfer(from, to, `,"metadata":{"${"a.".repeat(MIB / 2 - 300)}!":"x"}`),
      ["invalid_request", "unknown_field"],
    ],
    ["escapes of a megabyte", transfer(from, to, `,"reference":"${"\\u0061".repeat(170_000)}"`), ["invalid_request"]],
    ["a string without an end", transfer(from, to, `,"reference":"${"\\\\".repeat(MIB / 2 - 300)}`).slice(0, -1), ["invalid_json"]],
    ["one byte more than a MiB", transfer(from, to, "").padEnd(MIB + 1), ["body_too_large"]],
  ];
}

/** What clients that mean ill do over real sockets, and what the others notice of it: nothing. */
export function everyAttack(options: StartOptions): void {
  let auditBlocked = false;
  const stage = stageFor({ ...options, limits: DOS_LIMITS, auditBlocked: () => auditBlocked });

  const parties = async (): Promise<{ own: Organisation; from: string; to: string }> => {
    const own = await stage.app.newOrganisation();
    return { own, from: await own.account({ balance: 1_000_000 }), to: await own.account() };
  };

  it("DOS-01: connections that send head or body slowly are closed in time, while others are served", async () => {
    const { own, from, to } = await parties();
    const key = `host: t\r\nx-api-key: ${own.apiKey}\r\n`;
    const starts = [
      ["", ""],
      ["GET /v1/accounts HTTP/1.1\r\n", "x-a: b\r\n"],
      [
        `POST /v1/transfers HTTP/1.1\r\n${key}idempotency-key: loris-N\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n`,
        " ",
      ],
      [
        `POST /v1/transfers HTTP/1.1\r\n${key}idempotency-key: loris-N\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
        "1\r\n \r\n",
      ],
      ["POST /v1/transfers HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n", " "],
    ] as const;
    const wires: RawConnection[] = [];
    const drips: [RawConnection, string][] = [];
    for (let n = 0; n < LORIS; n++) {
      const [start, drip] = starts[n % starts.length] ?? ["", ""];
      const wire = rawConnection(stage.app.url);
      if (start !== "") wire.write(start.replace("loris-N", `loris-${n}`));
      wires.push(wire);
      if (drip !== "") drips.push([wire, drip]);
    }
    const timer = setInterval(() => {
      for (const [wire, drip] of drips) wire.write(drip);
    }, 40);
    for (let n = 0; n < 5; n++) ok(await own.transfer(from, to, 1), 201);
    const answers = await Promise.all(wires.map(({ ended }) => ended));
    clearInterval(timer);
    for (const [n, answer] of answers.entries())
      assert.match(answer, n % starts.length === 4 ? /"unauthenticated"/ : /^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/);
    assert.equal(await own.balance(to), 5);
  });

  it("DOS-02: bodies made to cost much are refused, move nothing and leave the server well", async () => {
    const { own, from, to } = await parties();
    for (const [name, body, codes] of bombs(from, to)) {
      const answer = await own.api.send("POST", "/v1/transfers", body);
      assert.ok(codes.includes(answer.body.code as ProblemCode), `${name}: ${answer.text.slice(0, 300)}`);
      refused(answer, answer.body.code as ProblemCode);
    }
    const bomb = gzipSync(Buffer.alloc(100_000_000, " "), { level: 9 });
    const zipped = await own.api.send("POST", "/v1/transfers", bomb, { headers: { "content-encoding": "gzip" } });
    refused(zipped, "unsupported_media_type");
    refused(await own.api.get(`/v1/accounts?${"a&".repeat(3_000)}a`), "uri_too_long");
    refused(await own.api.get(`/v1/accounts?limit=${"1".repeat(7_000)}`), "invalid_request", "limit");
    assert.equal(await own.balance(from), 1_000_000);
    ok(await own.transfer(from, to, 1), 201);
    assert.ok(!stage.app.log.some((line) => line.includes('"internal_error"')));
  });

  it("DOS-03: above capacity some are refused at once with 503 and Retry-After, the others are done, and then all are again", async () => {
    const { own, to } = await parties();
    const payers: string[] = [];
    for (let n = 0; n < 8; n++) payers.push(await own.account({ balance: 10_000 }));
    const crowd = createClient(stage.app.url, own.apiKey, FLOOD);
    let posted = 0;
    let shed = 0;
    const one = async (n: number): Promise<void> => {
      for (let round = 0; round < FLOOD_ROUNDS; round++) {
        const body = { from_account_id: payers[n % payers.length], to_account_id: to, amount: 1, currency: "EUR" };
        const answer = await crowd.post("/v1/transfers", body);
        if (answer.status === 503) {
          refused(answer, "overloaded");
          assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
          shed += 1;
        } else if (answer.status === 408) {
          // On a machine as busy as the server the crowd's own bodies may come too late for the short limits of this test.
          refused(answer, "request_timeout");
        } else {
          ok(answer, 201);
          posted += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: FLOOD }, (_, n) => one(n)));
    crowd.close();
    assert.ok(posted > 0 && shed > 0, `${posted} posted, ${shed} refused`);
    assert.equal(await own.balance(to), posted, "what was refused moved nothing, what was accepted moved once");
    await sleep(1);
    for (const payer of payers) ok(await own.transfer(payer, to, 1), 201);
    await auditBooks(own);
  });

  it("DOS-03: while the audit log cannot be written nothing is accepted, and readiness says so", async () => {
    const { own, from, to } = await parties();
    auditBlocked = true;
    refused(await own.transfer(from, to, 1), "overloaded");
    refused(await own.api.get("/readyz"), "overloaded");
    // Nor from those who have no key: customers on a page, operators who sign in.
    const { anonymous } = stage.app;
    const here = { idempotencyKey: null, headers: { "sec-fetch-site": "same-origin" } };
    refused(await anonymous.post("/hosted/open", { token: "x" }, here), "overloaded");
    refused(await anonymous.post(`/hosted/${newId("hostedSession")}/decline`, {}, here), "overloaded");
    const who = { organisation_id: own.id, email: "a@example.com", password: "a long enough password" };
    refused(await anonymous.post("/v1/sessions", who, here), "overloaded");
    assert.equal((await anonymous.get("/hosted")).status, 200);
    ok(await own.api.get("/healthz"), 200);
    auditBlocked = false;
    ok(await own.api.get("/readyz"), 200);
    ok(await own.transfer(from, to, 1), 201);
  });
}
