import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Collection, Versioned } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { changedCredentials, credentialsOf, newCredentials } from "./credentials.ts";
import type { Operator } from "./operator.ts";
import { operators } from "./operator.ts";
import { newSecret, secretHashOf, tokenText } from "./secret-text.ts";
import { createSessionAuthenticator } from "./session-authenticator.ts";
import type { SessionPrincipal, SessionRefusal } from "./session-authenticator.ts";
import type { Session } from "./session.ts";
import { defaultPolicy, sessionPolicies } from "./session-policy.ts";
import { endedSession, sessions } from "./session.ts";

const MINUTE = 60_000;
const random = systemRandom();

async function bench() {
  let time = 1_700_000_000_000;
  let broken = false;
  let reads = 0;
  const clock: Clock = { now: () => time, sleep: async () => {} };
  const ids = createIds(clock, random);
  const store = openMemoryStore(createMemoryDatabase(), {
    clock: { sleep: async () => {} },
    faults: (operation) => {
      if (operation === "getMany") reads += 1;
      return { kind: broken && operation !== "commit" ? "unavailable" : "none" };
    },
  });
  const put = async <T extends Versioned>(collection: Collection<T>, record: T): Promise<void> => {
    const written = await store.commit([{ op: "put", table: collection.table, item: collection.toItem(record), condition: "none" }]);
    assert.equal(written.outcome, "committed");
  };
  const organisationId = ids.next("organisation");
  const operatorId = ids.next("operator");
  const sessionId = ids.next("operatorSession");
  const secret = newSecret(random);
  const operator: Operator = {
    id: operatorId,
    organisationId,
    status: "active",
    roles: ["developer"],
    exception: null,
    profile: {},
    emailIndex: "x",
    invitedBy: null,
    createdAt: time,
    updatedAt: time,
    activatedAt: time,
    disabledAt: null,
    version: 1,
  };
  const session: Session = {
    id: sessionId,
    organisationId,
    operatorId,
    status: "active",
    secretHash: secretHashOf(secret),
    challenge: null,
    epoch: 1,
    failures: 0,
    ip: "198.51.100.7",
    userAgent: "",
    createdAt: time,
    startedAt: time,
    expiresAt: time + 8 * 60 * MINUTE,
    endedAt: null,
    endReason: null,
    version: 1,
  };
  const credentials = changedCredentials(newCredentials(operatorId, null), { sessions: [sessionId] });
  await put(operators, operator);
  await put(sessions, session);
  await put(credentialsOf, credentials);
  const organisation = async () => ({ rateLimitPerMinute: 6_000, keyRateLimitPerMinute: 100, ipAllowlist: ["198.51.100.0/24"] });
  const node = (more: { readonly maxReads?: number; readonly maxCached?: number } = {}) =>
    createSessionAuthenticator({ store, clock, environment: "test", organisation, ...more });
  return {
    put,
    node,
    operator,
    session,
    credentials,
    secret,
    ids,
    store,
    token: tokenText(sessionId, secret),
    clock,
    pass: (ms: number) => (time += ms),
    breakReads: (is: boolean) => (broken = is),
    readsSoFar: () => reads,
  };
}

type Answer = SessionPrincipal | SessionRefusal;
const told = async (answer: Answer | Promise<Answer>): Promise<string> => {
  const is = await answer;
  return is.ok ? is.sessionStatus : `${is.code}${is.ended === true ? " ended" : ""}`;
};

void describe("the authenticator of sessions", () => {
  void it("knows a session by its cookie, once read without the store, and hands out the same principal", async () => {
    const { node, token, operator, readsSoFar } = await bench();
    const one = node();
    const [first, shared] = await Promise.all([one.authenticate(token), one.authenticate(token)]);
    assert.ok(first.ok);
    assert.equal(first, shared);
    assert.equal(readsSoFar(), 2);
    assert.equal(one.authenticate(token), first);
    assert.equal(first.personId, operator.id);
    assert.equal(first.apiKeyId, null);
    assert.equal(first.scopes.has("webhooks:write"), true);
    assert.equal(first.scopes.has("transfers:write"), false);
    assert.ok(first.organisation.ipAllowlist);
  });

  void it("refuses every other cookie", async () => {
    const { node, token, session, secret, ids } = await bench();
    const one = node();
    assert.equal(await told(one.authenticate(token)), "active");
    const wrong = [
      "",
      ".",
      token.slice(0, -1),
      `${token}A`,
      tokenText(session.id, newSecret(random)),
      tokenText(ids.next("operatorSession"), secret),
      `${session.id}.${secret}`,
      token.toLowerCase(),
    ];
    for (const text of wrong) assert.equal(await told(one.authenticate(text)), "unauthenticated", text);
  });

  void it("SOX-08 notices within five seconds that the session, its operator or all his sessions have ended; at once when told", async () => {
    const endings = [
      ({ put, session }: Awaited<ReturnType<typeof bench>>) => put(sessions, endedSession(session, "revoked", 1)),
      ({ put, operator }: Awaited<ReturnType<typeof bench>>) => put(operators, { ...operator, status: "disabled", version: 2 }),
      ({ put, credentials }: Awaited<ReturnType<typeof bench>>) => put(credentialsOf, changedCredentials(credentials, { sessionEpoch: 2 })),
      ({ put, credentials }: Awaited<ReturnType<typeof bench>>) => put(credentialsOf, changedCredentials(credentials, { sessions: [] })),
    ];
    for (const end of endings) {
      const scene = await bench();
      const here = scene.node();
      const there = scene.node();
      for (const node of [here, there]) assert.equal(await told(node.authenticate(scene.token)), "active");
      await end(scene);
      here.forgetOperator(scene.operator.id);
      assert.equal(await told(here.authenticate(scene.token)), "unauthenticated ended");
      scene.pass(5_000);
      assert.equal(await told(there.authenticate(scene.token)), "unauthenticated ended");
    }
  });

  void it("SOX-08 a clock that goes back makes nothing known good for longer", async () => {
    const { node, token, put, session, pass } = await bench();
    const there = node();
    assert.equal(await told(there.authenticate(token)), "active");
    await put(sessions, endedSession(session, "revoked", 1));
    pass(-60 * MINUTE);
    assert.equal(await told(there.authenticate(token)), "unauthenticated ended");
  });

  void it("ends a session without use, whichever node saw the last one, and writes the use once a minute", async () => {
    const { node, token, pass, store, session } = await bench();
    const here = node();
    const there = node();
    for (let minute = 0; minute < 30; minute++) {
      assert.equal(await told(here.authenticate(token)), "active");
      await here.flush();
      pass(MINUTE);
    }
    // It has not seen the session for half an hour, and asks the store.
    assert.equal(await told(there.authenticate(token)), "active");
    const written = await store.get("smartfinance-operator-sessions", { hash: `${session.id}#seen` });
    pass(30_000);
    assert.equal(await told(there.authenticate(token)), "active");
    await there.flush();
    assert.deepEqual(await store.get("smartfinance-operator-sessions", { hash: `${session.id}#seen` }), written);
    pass(15 * MINUTE);
    assert.equal(await told(there.authenticate(token)), "unauthenticated ended");
    assert.equal(await told(there.authenticate(token)), "unauthenticated ended");
  });

  void it("ends a session before which nobody sat while the clock was set back by more than its idle time", async () => {
    const { node, token, pass } = await bench();
    const here = node();
    assert.equal(await told(here.authenticate(token)), "active");
    await here.flush();
    // Three quarters of an hour later by everybody else's clock.
    pass(-60 * MINUTE);
    pass(45 * MINUTE);
    for (const one of [here, node()]) assert.equal(await told(one.authenticate(token)), "unauthenticated ended");
    // Another node's clock may be ahead by less.
    pass(14 * MINUTE);
    assert.equal(await told(here.authenticate(token)), "active");
  });

  void it("counts the idle time from the second factor at the earliest, also on a node that did not see it", async () => {
    const { node, token, put, session, pass, clock } = await bench();
    const unfinished = { ...session, status: "second_factor_required", startedAt: null } as const;
    await put(sessions, unfinished);
    await put(sessionPolicies, { ...defaultPolicy(session.organisationId), idleMinutes: 1, version: 1 });
    const here = node();
    const there = node();
    pass(MINUTE);
    assert.equal(await told(here.authenticate(token)), "second_factor_required");
    await here.flush();
    // The factor comes within the minute in which no further use is written.
    pass(55_000);
    assert.equal(await told(here.authenticate(token)), "second_factor_required");
    await here.flush();
    await put(sessions, { ...unfinished, status: "active", startedAt: clock.now(), version: 2 });
    pass(10_000);
    assert.equal(await told(there.authenticate(token)), "active");
    pass(MINUTE);
    assert.equal(await told(there.authenticate(token)), "unauthenticated ended");
  });

  void it("what only asks again keeps nothing alive", async () => {
    const { node, token, pass } = await bench();
    const one = node();
    assert.equal(await told(one.authenticate(token)), "active");
    for (let minute = 0; minute < 14; minute++) {
      pass(MINUTE);
      assert.equal(await told(one.recheck(token)), "active");
    }
    pass(MINUTE);
    assert.equal(await told(one.recheck(token)), "unauthenticated ended");
    assert.equal(await told(one.recheck("x")), "unauthenticated");
  });

  void it("a session that waits for its factor has no scope", async () => {
    const { node, token, put, session, pass } = await bench();
    await put(sessions, { ...session, status: "second_factor_required", expiresAt: session.createdAt + 10 * MINUTE, version: 2 });
    const one = node();
    const answer = await one.authenticate(token);
    assert.ok(answer.ok);
    assert.match(answer.unfinished ?? "", /POST \/v1\/sessions\/current\/verify/);
    assert.equal(answer.scopes.size, 0);
    pass(10 * MINUTE);
    assert.equal(await told(one.authenticate(token)), "unauthenticated ended");
  });

  void it("tells an outage from a bad cookie, and reads no more at once than it may", async () => {
    const { node, token, breakReads, ids, secret } = await bench();
    const one = node({ maxReads: 1 });
    breakReads(true);
    const first = one.authenticate(token);
    assert.equal(await told(one.authenticate(tokenText(ids.next("operatorSession"), secret))), "overloaded");
    assert.equal(await told(first), "store_unavailable");
    assert.equal(await told(one.recheck(token)), "store_unavailable");
    breakReads(false);
    assert.equal(await told(one.authenticate(token)), "active");
  });
});
