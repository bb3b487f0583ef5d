import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededRandom } from "#test/support/builders.ts";
import type { FactorId } from "#kernel/ids.ts";
import { activateTotp, startTotp } from "./add-totp.ts";
import { checkCode } from "./check-factor.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";
import { matchingStep, mintTotpSecret, stepAt, totpCode, totpUri } from "./totp.ts";

/** RFC 6238 appendix B: seeds of 20, 32 and 64 bytes of repeated digits. */
const seed = (length: number): Uint8Array => new Uint8Array(Buffer.from("1234567890".repeat(7).slice(0, length)));
const VECTORS: readonly (readonly [seconds: number, sha1: string, sha256: string, sha512: string])[] = [
  [59, "94287082", "46119246", "90693936"],
  [1111111109, "07081804", "68084774", "25091201"],
  [1111111111, "14050471", "67062674", "99943326"],
  [1234567890, "89005924", "91819424", "93441116"],
  [2000000000, "69279037", "90698825", "38618901"],
  [20000000000, "65353130", "77737706", "47863826"],
];

describe("TOTP", () => {
  it("TOTP-01 gives the codes of RFC 6238 appendix B", () => {
    for (const [seconds, sha1, sha256, sha512] of VECTORS) {
      const step = stepAt(seconds * 1000);
      assert.equal(totpCode(seed(20), step, "SHA1", 8), sha1);
      assert.equal(totpCode(seed(32), step, "SHA256", 8), sha256);
      assert.equal(totpCode(seed(64), step, "SHA512", 8), sha512);
      assert.equal(totpCode(seed(20), step), sha1.slice(2), "six digits are the last six of eight");
    }
  });

  it("TOTP-01 takes the code of the step before, of this and of the next, and no other", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 }), fc.integer({ min: 100, max: 4_000_000_000 }), (draw, seconds) => {
        const secret = mintTotpSecret(seededRandom(draw));
        const now = stepAt(seconds * 1000);
        const codes = [-1, 0, 1].map((steps) => totpCode(secret, now + steps));
        for (const [n, code] of codes.entries())
          assert.equal(matchingStep(secret, code, seconds * 1000), now - 1 + codes.lastIndexOf(code), String(n));
        for (const steps of [-3, -2, 2, 3]) {
          const code = totpCode(secret, now + steps);
          if (!codes.includes(code)) assert.equal(matchingStep(secret, code, seconds * 1000), undefined);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("has secrets of 160 bits, all different, and URIs that apps read", () => {
    const secrets = Array.from({ length: 50 }, (_, n) => mintTotpSecret(seededRandom(n)));
    assert.equal(new Set(secrets).size, 50);
    for (const secret of secrets) assert.match(secret, /^[A-Z2-7]{32}$/);
    const uri = new URL(totpUri("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "Bank & Co", "ada@example.com"));
    assert.equal(uri.protocol, "otpauth:");
    assert.equal(uri.searchParams.get("secret"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert.equal(uri.searchParams.get("issuer"), "Bank & Co");
  });

  it("TOTP-01 takes a code once, and none of an earlier step after it", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const check = (typed: string) => checkCode(kit.deps, kit.subject, "totp", typed);
    good(await kit.use(await check(code(1))), 200);
    bad(await kit.use(await check(code(1))), "authentication_failed");
    bad(await kit.use(await check(code(0))), "authentication_failed");
    kit.clock.time += 60_000;
    good(await kit.use(await check(` ${code()} `)), 200);
  });

  it("TOTP-01 takes a code once, however many use it at once", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const checks = await times(20, () => checkCode(kit.deps, kit.subject, "totp", code()));
    assert.ok(checks.every(({ ok }) => ok));
    const used = await Promise.all(checks.map((one) => kit.use(one)));
    assert.equal(used.filter((one) => one.ok && one.reply.status === 200).length, 1);
  });

  it("takes a code as apps show it, with a blank between its halves, when it is put into use and ever after", async () => {
    const kit = factorKit();
    const inHalves = (code: string): string => `${code.slice(0, 3)} ${code.slice(3)}`;
    const started = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const code = (): string => inHalves(totpCode(String(started.secret), stepAt(kit.clock.now())));
    good(await activateTotp(kit.deps, kit.asked, kit.subject, started.id as FactorId, { code: code() }), 200);
    kit.clock.time += 60_000;
    good(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code())), 200);
  });

  it("the code that activates is spent, too", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    bad(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code(-1))), "authentication_failed");
  });
});
