import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Clock } from "#kernel/clock.ts";
import { createRateLimiter, POLICIES } from "./rate-limit.ts";
import type { PolicyName, RateLimitResult, Spender } from "./rate-limit.ts";
import { exhaustedText, rateLimitFields } from "./rate-limit-headers.ts";

/** More than any test takes. */
const PLENTY = 1_000_000_000;

/** One policy of a result, beside what holds for all. */
function seen(result: RateLimitResult, name: PolicyName) {
  const state = result.policies.find((policy) => policy.name === name);
  assert.ok(state);
  const { name: _, ...rest } = state;
  return { allowed: result.allowed, ...rest, retryAfterSeconds: result.retryAfterSeconds };
}

function bench(over: { maxKeys?: number; nodes?: number } = {}) {
  let time = 1_700_000_000_000;
  const clock: Clock = { now: () => time, sleep: async () => {} };
  const limiter = createRateLimiter({ clock, ...over });
  const spender = (more: Partial<Spender> & { organisationLimit?: number } = {}): Spender => ({
    apiKeyId: "key_1",
    organisationId: "org_1",
    burstPerSecond: PLENTY,
    rateLimitPerMinute: PLENTY,
    organisation: { rateLimitPerMinute: more.organisationLimit ?? PLENTY },
    ...more,
  });
  /** Only the key's minute is short. */
  const take = (limit = 100, cost = 1, key = "key_1") =>
    seen(limiter.take(spender({ apiKeyId: key, organisationId: key, rateLimitPerMinute: limit }), cost), "default");
  return { limiter, spender, take, pass: (ms: number) => (time += ms), now: () => time };
}

describe("the rate limiter", () => {
  it("RL-01 grants the quota, then refuses until the oldest request is a minute old", () => {
    const { take, pass } = bench();
    assert.deepEqual(take(), { allowed: true, limit: 100, remaining: 99, resetSeconds: 60, retryAfterSeconds: 0 });
    pass(10_000);
    for (let n = 98; n >= 0; n--) assert.equal(take().remaining, n);
    assert.deepEqual(take(), { allowed: false, limit: 100, remaining: 0, resetSeconds: 50, retryAfterSeconds: 50 });
    pass(49_999);
    assert.deepEqual(take(), { allowed: false, limit: 100, remaining: 0, resetSeconds: 1, retryAfterSeconds: 1 });
    pass(1);
    assert.deepEqual(take(), { allowed: true, limit: 100, remaining: 0, resetSeconds: 10, retryAfterSeconds: 0 });
    assert.equal(take().allowed, false);
    pass(10_000);
    assert.equal(take().remaining, 98);
  });

  it("keeps keys apart", () => {
    const { take } = bench();
    for (let n = 0; n < 5; n++) take(5);
    assert.equal(take(5).allowed, false);
    assert.equal(take(5, 1, "key_2").allowed, true);
  });

  it("RL-01 never grants more than the quota in any minute, and up to 240 grants whatever an exact log would", () => {
    const steps = fc.array(
      fc.tuple(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 40_000 })), fc.integer({ min: 1, max: 4 })),
      {
        maxLength: 150,
      },
    );
    const limits = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(240, 241, 300));
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 60 }), steps, (limit, scale, walk) => {
        const { take, pass, now } = bench();
        const log: { at: number; cost: number }[] = [];
        const usedSince = (since: number): number => log.reduce((sum, entry) => (entry.at > since ? sum + entry.cost : sum), 0);
        for (const [ms, units] of walk) {
          pass(ms);
          const cost = Math.min(limit, limit > 12 ? units * scale : units);
          const used = usedSince(now() - 60_000);
          const result = take(limit, cost);
          if (limit <= 240) assert.equal(result.allowed, used + cost <= limit);
          // Above 240 a request may leave the window up to 250 ms late.
          else if (usedSince(now() - 60_250) + cost <= limit) assert.equal(result.allowed, true);
          if (result.allowed) log.push({ at: now(), cost });
          assert.ok(usedSince(now() - 60_000) <= limit);
          assert.ok(result.remaining >= 0 && result.remaining <= limit - usedSince(now() - 60_000));
          if (!result.allowed) assert.ok(result.retryAfterSeconds >= Math.max(1, result.resetSeconds) && result.retryAfterSeconds <= 60);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("RL-01 allows the refused request after Retry-After, and up to 240 not a second sooner", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 5 })), { minLength: 10, maxLength: 60 });
    let refusals = 0;
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 20 }), steps, (limit, walk) => {
        const { take, pass } = bench();
        for (const [ms, cost] of walk) {
          pass(ms);
          const result = take(limit, cost);
          if (result.allowed) continue;
          refusals += 1;
          pass((result.retryAfterSeconds - 1) * 1000);
          if (result.retryAfterSeconds > 1) assert.equal(take(limit, cost).allowed, false);
          pass(1000);
          assert.equal(take(limit, cost).allowed, true);
        }
      }),
      { numRuns: 200 },
    );
    assert.ok(refusals > 100);
  });

  it("takes the whole quota for what costs more, and charges nothing for refusals", () => {
    const { take, pass } = bench();
    assert.deepEqual(take(10, 11), { allowed: true, limit: 10, remaining: 0, resetSeconds: 60, retryAfterSeconds: 0 });
    pass(1_000);
    assert.deepEqual(take(10, 11), { allowed: false, limit: 10, remaining: 0, resetSeconds: 59, retryAfterSeconds: 59 });
    pass(59_000);
    assert.equal(take(10, 1).remaining, 9);
    assert.deepEqual(take(10, 500), { allowed: false, limit: 10, remaining: 9, resetSeconds: 60, retryAfterSeconds: 60 });
    for (const cost of [0, -1, 1.5, NaN]) assert.throws(() => take(10, cost));
  });

  it("RL-01 refuses a burst within a second, though the minute has room, and takes nothing from the minute for it", () => {
    const { limiter, spender, pass } = bench();
    const asker = spender({ burstPerSecond: 3, rateLimitPerMinute: 100 });
    for (let n = 2; n >= 0; n--) assert.equal(seen(limiter.take(asker), "burst").remaining, n);
    const refused = limiter.take(asker);
    assert.deepEqual(seen(refused, "burst"), { allowed: false, limit: 3, remaining: 0, resetSeconds: 1, retryAfterSeconds: 1 });
    assert.equal(seen(refused, "default").remaining, 97);
    pass(999);
    assert.equal(limiter.take(asker).allowed, false);
    pass(1);
    assert.equal(seen(limiter.take(asker), "default").remaining, 96);
  });

  it("RL-01 holds all keys of an organisation together to its quota, and no other organisation", () => {
    const { limiter, spender } = bench();
    const of = (apiKeyId: string, organisationId: string) => spender({ apiKeyId, organisationId, organisationLimit: 10 });
    for (let n = 0; n < 10; n++) assert.equal(limiter.take(of(`key_${n % 4}`, "org_1")).allowed, true);
    const refused = limiter.take(of("key_9", "org_1"));
    assert.deepEqual(seen(refused, "organisation"), { allowed: false, limit: 10, remaining: 0, resetSeconds: 60, retryAfterSeconds: 60 });
    assert.equal(seen(refused, "default").remaining, PLENTY, "a refused request costs nothing anywhere");
    assert.equal(limiter.take(of("key_9", "org_2")).allowed, true);
  });

  it("RL-01 across nodes all of them together never grant more than the quota, or one each if there are more nodes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 300 }), (nodes, limit) => {
        const all = Array.from({ length: nodes }, () => bench({ nodes }));
        let granted = 0;
        for (const { take } of all) for (let n = 0; n < limit + 2; n++) if (take(limit).allowed) granted += 1;
        assert.ok(granted <= Math.max(limit, nodes));
        assert.ok(granted > limit - nodes, "what the division leaves over is less than a unit a node");
      }),
      { numRuns: 50 },
    );
    assert.throws(() => bench({ nodes: 0 }));
  });

  it("serves large quotas in full", () => {
    const { take, pass } = bench();
    let granted = 0;
    for (let n = 0; n < 30_000; n++) {
      if (take(20_000).allowed) granted += 1;
      pass(n % 2);
    }
    assert.equal(granted, 20_000);
    pass(60_250);
    assert.equal(take(20_000, 20_000).allowed, true);
  });

  it("keeps what was used when the quota changes", () => {
    const { take, pass } = bench();
    for (let n = 0; n < 8; n++) {
      take(10);
      pass(1);
    }
    assert.equal(take(1_000_000).remaining, 1_000_000 - 9);
    assert.deepEqual(take(5), { allowed: false, limit: 5, remaining: 0, resetSeconds: 60, retryAfterSeconds: 60 });
    pass(60_000);
    assert.equal(take(5).remaining, 4);
  });

  it("survives a clock that is set back", () => {
    const { take, pass } = bench();
    for (let n = 0; n < 10; n++) take(10);
    pass(-30_000);
    assert.equal(take(10).allowed, false);
    pass(90_000);
    assert.equal(take(10).allowed, true);
    pass(-3_600_000);
    assert.equal(take(10).remaining, 9);
  });

  it("keeps at most maxKeys keys, and lets idle ones go first", () => {
    const { take, pass } = bench({ maxKeys: 4 });
    for (const key of ["idle", "a", "b", "c"]) for (let n = 0; n < 5; n++) take(5, 1, key);
    pass(61_000);
    for (const key of ["a", "b", "c"]) for (let n = 0; n < 5; n++) take(5, 1, key);
    for (const key of ["d"]) take(5, 1, key);
    for (const key of ["a", "b", "c"]) assert.equal(take(5, 1, key).allowed, false, key);
    pass(1);
    take(5, 1, "d");
    // All are busy: whoever was heard of longest ago goes.
    take(5, 1, "e");
    assert.equal(take(5, 1, "d").remaining, 2);
  });
});

describe("what a refusal says", () => {
  it("RL-01 names every quota that had not enough, and nothing when none refused", () => {
    const { limiter, spender } = bench();
    const asker = spender({ burstPerSecond: 2, rateLimitPerMinute: 2, organisationLimit: 6000 });
    assert.equal(exhaustedText(limiter.take(asker, 2)), "");
    assert.equal(
      exhaustedText(limiter.take(asker)),
      'The quota "burst" is used up: 2 units of this key in one second. The quota "default" is used up: 2 units of this key in one minute.',
    );
    const shared = spender({ burstPerSecond: 5, rateLimitPerMinute: 5, organisationLimit: 1 });
    limiter.take(shared);
    assert.match(exhaustedText(limiter.take(shared)), /^The quota "organisation" is used up: 1 units of all keys/);
  });
});

describe("the rate limit's header fields", () => {
  it("RL-01 tell every policy", () => {
    const { limiter, spender, pass } = bench();
    const asker = spender({ burstPerSecond: 50, rateLimitPerMinute: 100, organisationLimit: 6000 });
    pass(10);
    assert.deepEqual(rateLimitFields(limiter.take(asker, 2)), {
      policy: '"burst";q=50;w=1, "default";q=100;w=60, "organisation";q=6000;w=60',
      limit: '"burst";r=48;t=1, "default";r=98;t=60, "organisation";r=5998;t=60',
    });
  });

  it("RL-01 parse as RFC 9651 lists of strings with integer parameters, for any result", () => {
    const natural = fc.nat({ max: 100_000_000 });
    const policy = fc.record({
      name: fc.constantFrom<PolicyName>("burst", "default", "organisation"),
      limit: natural,
      remaining: natural,
      resetSeconds: fc.nat({ max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(policy, { minLength: 1, maxLength: 3 }), (policies) => {
        const fields = rateLimitFields({ policies });
        const told = (pick: (state: (typeof policies)[number]) => Record<string, number>) =>
          policies.map((state) => [state.name, pick(state)]);
        assert.deepEqual(
          parseList(fields.policy),
          told(({ name, limit }) => ({ q: limit, w: POLICIES[name] })),
        );
        assert.deepEqual(
          parseList(fields.limit),
          told(({ remaining, resetSeconds }) => ({ r: remaining, t: resetSeconds })),
        );
      }),
    );
  });
});

/** A list of strings with integer parameters (RFC 9651, 4.2), strictly. */
function parseList(text: string): [string, Record<string, number>][] {
  return text.split(", ").map((item) => {
    const match = /^"([\x20\x21\x23-\x5b\x5d-\x7e]*)"((?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)$/.exec(item);
    assert.ok(match, text);
    const pairs = (match[2] ?? "").split(";").slice(1);
    return [match[1] ?? "", Object.fromEntries(pairs.map((pair) => [pair.split("=")[0], Number(pair.split("=")[1])]))];
  });
}
