import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testClock } from "#test/support/builders.ts";
import { createFailureLimiter } from "./failure-limit.ts";

void describe("the limiter of bad keys", () => {
  void it("RL-01 turns an address away after so many in a minute, until the oldest is a minute old", () => {
    const clock = testClock();
    const limiter = createFailureLimiter({ clock, limitPerMinute: 3 });
    for (let n = 0; n < 3; n++) {
      assert.equal(limiter.waitSeconds("192.0.2.1"), 0);
      limiter.note("192.0.2.1");
      clock.time += 10_000;
    }
    assert.equal(limiter.waitSeconds("192.0.2.1"), 30);
    assert.equal(limiter.waitSeconds("192.0.2.2"), 0);
    clock.time += 29_999;
    assert.equal(limiter.waitSeconds("192.0.2.1"), 1);
    clock.time += 1;
    assert.equal(limiter.waitSeconds("192.0.2.1"), 0);
    limiter.note("192.0.2.1");
    assert.equal(limiter.waitSeconds("192.0.2.1"), 10);
  });

  void it("RL-01 counts failures that were under way beyond the limit, and ends all the same", () => {
    const clock = testClock();
    const limiter = createFailureLimiter({ clock, limitPerMinute: 3 });
    for (let n = 0; n < 50; n++) limiter.note("192.0.2.1");
    assert.equal(limiter.waitSeconds("192.0.2.1"), 60);
    clock.time += 60_000;
    assert.equal(limiter.waitSeconds("192.0.2.1"), 0);
  });

  void it("RL-01 takes the /64 of an IPv6 address, whichever way it is written, and IPv4 by the address", () => {
    const limiter = createFailureLimiter({ clock: testClock(), limitPerMinute: 1 });
    limiter.note("2001:db8:0:1::1");
    assert.equal(limiter.waitSeconds("2001:DB8:0:1:ffff:ffff:ffff:ffff"), 60);
    assert.equal(limiter.waitSeconds("2001:db8:0:2::1"), 0);
    limiter.note("192.0.2.1");
    assert.equal(limiter.waitSeconds("192.0.2.2"), 0);
    limiter.note("");
    assert.equal(limiter.waitSeconds(""), 60);
  });
});
