import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Clock } from "#kernel/clock.ts";
import { createRateLimiter } from "./rate-limit.ts";
import type { RateLimiter, RateLimitResult } from "./rate-limit.ts";
import { rateLimitHeaders } from "./rate-limit-headers.ts";

function bench(maxKeys?: number) {
  let time = 1_700_000_000_000;
  const clock: Clock = { now: () => time, sleep: async () => {} };
  const limiter: RateLimiter = createRateLimiter({ clock, ...(maxKeys === undefined ? {} : { maxKeys }) });
  const take = (limit = 100, cost = 1, key = "key_1"): RateLimitResult => limiter.take({ apiKeyId: key, rateLimitPerMinute: limit }, cost);
  return { take, pass: (ms: number) => (time += ms), now: () => time };
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
          const cost = limit > 12 ? units * scale : units;
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

  it("refuses what costs more than the whole quota, always, and charges nothing for refusals", () => {
    const { take } = bench();
    assert.deepEqual(take(10, 11), { allowed: false, limit: 10, remaining: 10, resetSeconds: 60, retryAfterSeconds: 60 });
    assert.equal(take(10, 10).allowed, true);
    for (const cost of [0, -1, 1.5, NaN]) assert.throws(() => take(10, cost));
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
    const { take, pass } = bench(4);
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

describe("the rate limit's header fields", () => {
  it("RL-01 are structured fields, with Retry-After only when refused and never below t", () => {
    const { take, pass } = bench();
    assert.deepEqual(rateLimitHeaders(take()), { "RateLimit-Policy": '"default";q=100;w=60', RateLimit: '"default";r=99;t=60' });
    pass(10_500);
    for (let n = 0; n < 99; n++) take();
    const refused = rateLimitHeaders(take());
    assert.deepEqual(refused, { "RateLimit-Policy": '"default";q=100;w=60', RateLimit: '"default";r=0;t=50', "Retry-After": "50" });
  });

  it("RL-01 parse as RFC 9651 lists with integer parameters, for any result", () => {
    const natural = fc.nat({ max: 10_000_000 });
    fc.assert(
      fc.property(fc.boolean(), natural, natural, natural, (allowed, limit, remaining, retryAfterSeconds) => {
        const headers = rateLimitHeaders({ allowed, limit, remaining, resetSeconds: Math.min(60, retryAfterSeconds), retryAfterSeconds });
        assert.deepEqual(parseItem(headers["RateLimit-Policy"]), ["default", { q: limit, w: 60 }]);
        assert.deepEqual(parseItem(headers["RateLimit"]), ["default", { r: remaining, t: Math.min(60, retryAfterSeconds) }]);
        assert.equal(headers["Retry-After"], allowed ? undefined : String(retryAfterSeconds));
      }),
    );
  });
});

/** A one-item list of a string with integer parameters (RFC 9651, 4.2), strictly. */
function parseItem(text: string | undefined): [string, Record<string, number>] {
  const match = /^"([\x20\x21\x23-\x5b\x5d-\x7e]*)"((?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)$/.exec(text ?? "");
  assert.ok(match, text);
  const pairs = (match[2] ?? "").split(";").slice(1);
  return [match[1] ?? "", Object.fromEntries(pairs.map((pair) => [pair.split("=")[0], Number(pair.split("=")[1])]))];
}
