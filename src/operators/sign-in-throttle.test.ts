import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSignInThrottle } from "./sign-in-throttle.ts";
import type { SignInAttempt } from "./sign-in-throttle.ts";

const by = (more: Partial<SignInAttempt> = {}): SignInAttempt => ({
  organisationId: "org_1",
  emailIndex: "grace",
  ip: "198.51.100.7",
  knownDevice: undefined,
  ...more,
});

function bench() {
  let time = 1_000_000_000;
  const throttle = createSignInThrottle({ clock: { now: () => time, sleep: async () => {} } });
  const fail = (attempt: SignInAttempt): void => {
    throttle.begin(attempt);
    throttle.failed(attempt);
  };
  return { throttle, fail, pass: (ms: number) => (time += ms) };
}

void describe("the throttle of sign-ins", () => {
  void it("doubles the delay from the third failure on, up to 15 minutes", () => {
    const { throttle, fail, pass } = bench();
    const delays: number[] = [];
    for (let n = 0; n < 16; n++) {
      const wait = throttle.waitSeconds(by());
      delays.push(wait);
      pass(wait * 1_000);
      assert.equal(throttle.waitSeconds(by()), 0);
      fail(by());
    }
    assert.deepEqual(delays, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    pass(3_600_000);
    assert.equal(throttle.waitSeconds(by()), 0);
  });

  void it("makes nobody wait until a clock that was set back has caught up", () => {
    const { throttle, fail, pass } = bench();
    for (let n = 0; n < 4; n++) fail(by());
    pass(-86_400_000);
    assert.equal(throttle.waitSeconds(by()), 2);
    pass(2_000);
    assert.equal(throttle.waitSeconds(by()), 0);
  });

  void it("counts simultaneous attempts before they are judged, and forgets them with a success", () => {
    const { throttle } = bench();
    for (let n = 0; n < 3; n++) throttle.begin(by());
    assert.equal(throttle.waitSeconds(by()), 1);
    throttle.takeBack(by());
    assert.equal(throttle.waitSeconds(by()), 0);
    throttle.begin(by());
    throttle.succeeded(by());
    assert.equal(throttle.waitSeconds(by()), 0);
    // A success takes nothing back from what others failed with.
    assert.equal(throttle.networkWaitSeconds(by().ip), 0);
  });

  void it("an attempt that was not judged after all makes nobody wait anew", () => {
    const { throttle, fail, pass } = bench();
    for (let n = 0; n < 8; n++) fail(by());
    assert.equal(throttle.waitSeconds(by()), 32);
    pass(32_000);
    const attempt = by();
    throttle.begin(attempt);
    throttle.takeBack(attempt);
    assert.equal(throttle.waitSeconds(by()), 0);
    // What has failed meanwhile counts from its own moment.
    throttle.begin(attempt);
    pass(1_000);
    fail(by());
    throttle.takeBack(attempt);
    assert.equal(throttle.waitSeconds(by()), 64);
  });

  void it("an attempt that was not judged takes nothing from another of the same millisecond, which was", () => {
    const { throttle, fail, pass } = bench();
    for (let n = 0; n < 16; n++) fail(by());
    pass(900_000);
    const [first, second] = [by(), by()];
    throttle.begin(first);
    throttle.begin(second);
    throttle.takeBack(first);
    throttle.failed(second);
    assert.equal(throttle.waitSeconds(by()), 900);
  });

  void it("bounds successes, too, of one device or network at one address", () => {
    const { throttle, pass } = bench();
    for (const attempt of [by(), by({ knownDevice: "mine" })]) {
      for (let n = 0; n < 60; n++) {
        assert.equal(throttle.waitSeconds(attempt), 0, `${n}`);
        throttle.begin(attempt);
        throttle.succeeded(attempt);
      }
      assert.equal(throttle.waitSeconds(attempt), 60);
    }
    // Neither elsewhere nor for others of the same network.
    for (const other of [by({ ip: "203.0.113.1" }), by({ emailIndex: "ada" }), by({ knownDevice: "other" })])
      assert.equal(throttle.waitSeconds(other), 0);
    pass(60_000);
    assert.equal(throttle.waitSeconds(by()), 0);
  });

  void it("keeps addresses, networks and organisations apart, and counts an IPv6 network as one", () => {
    const { throttle, fail } = bench();
    for (let n = 0; n < 5; n++) fail(by({ ip: "2001:db8::1" }));
    assert.ok(throttle.waitSeconds(by({ ip: "2001:db8::ffff" })) > 0);
    for (const other of [
      by(),
      by({ ip: "2001:db8:1::1" }),
      by({ ip: "2001:db8::1", emailIndex: "ada" }),
      by({ ip: "2001:db8::1", organisationId: "org_2" }),
    ])
      assert.equal(throttle.waitSeconds(other), 0);
  });

  void it("no stranger makes a known device wait, or anybody wait for ever", () => {
    const { throttle, fail } = bench();
    for (let n = 0; n < 500; n++) fail(by({ ip: `198.51.${n >> 8}.${n & 255}` }));
    assert.equal(throttle.waitSeconds(by({ knownDevice: "mine" })), 0);
    assert.equal(throttle.slowMs(by({ knownDevice: "mine" })), 0);
    assert.equal(throttle.waitSeconds(by({ ip: "203.0.113.1" })), 0);
    assert.equal(throttle.slowMs(by({ ip: "203.0.113.1" })), 2_000);
    assert.equal(throttle.slowMs(by({ ip: "203.0.113.1", emailIndex: "ada" })), 0);
    // The device's own row fills as any other.
    for (let n = 0; n < 4; n++) fail(by({ knownDevice: "mine" }));
    assert.equal(throttle.waitSeconds(by({ knownDevice: "mine" })), 2);
  });

  void it("holds back only so many at once, and never a known device", async () => {
    const time = 1_000_000;
    const gate = Promise.withResolvers<void>();
    const throttle = createSignInThrottle({ clock: { now: () => time, sleep: () => gate.promise } });
    for (let n = 0; n < 25; n++) throttle.failed(by({ ip: `198.51.100.${n}` }));
    const held = Array.from({ length: 64 }, () => throttle.holdBack(by()));
    assert.equal(await throttle.holdBack(by()), false);
    assert.equal(await throttle.holdBack(by({ knownDevice: "mine" })), true);
    assert.equal(await throttle.holdBack(by({ emailIndex: "ada" })), true);
    gate.resolve();
    assert.deepEqual(new Set(await Promise.all(held)), new Set([true]));
    assert.equal(await throttle.holdBack(by()), true);
  });

  void it("stops a network that tries many addresses", () => {
    const { throttle, fail, pass } = bench();
    for (let n = 0; n < 30; n++) fail(by({ emailIndex: `address ${n}` }));
    assert.ok(throttle.networkWaitSeconds(by().ip) > 0);
    assert.equal(throttle.networkWaitSeconds("198.51.100.8"), 0);
    pass(60_000);
    assert.equal(throttle.networkWaitSeconds(by().ip), 0);
  });

  void it("forgets the oldest rows when there are too many, and grows no further", () => {
    const { throttle, fail } = bench();
    for (let n = 0; n < 4; n++) fail(by());
    for (let n = 0; n < 20_000; n++) throttle.begin(by({ emailIndex: `address ${n}` }));
    assert.equal(throttle.waitSeconds(by()), 0);
  });
});
