import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemRandom } from "#kernel/random.ts";
import { delayAfter, MAX_ATTEMPTS } from "./schedule.ts";
import { mintSecret, signatures, signingKey } from "./secret.ts";

void describe("signatures", () => {
  void it("is the one that the specification's own example has", () => {
    const key = signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    const body = '{"test": 2432232314}';
    assert.equal(signatures([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert.equal(signatures([key, key], "m", 1, body).split(" ").length, 2);
  });

  void it("comes of secrets that differ", () => {
    const random = systemRandom();
    const [one, two] = [mintSecret(random), mintSecret(random)];
    assert.notEqual(one, two);
    assert.equal(signingKey(one).symmetricKeySize, 32);
  });
});

void describe("delayAfter", () => {
  void it("is the schedule that Standard Webhooks recommends, with a tenth of jitter, and then nothing", () => {
    const seconds = Array.from({ length: MAX_ATTEMPTS }, (_, n) => delayAfter(n + 1, 0)).map((ms) => ms && ms / 1000);
    assert.deepEqual(seconds, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, undefined]);
    assert.equal(delayAfter(1, 0.5), 5_250);
  });
});
