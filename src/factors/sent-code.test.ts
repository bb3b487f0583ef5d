import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FactorId } from "#kernel/ids.ts";
import { seededRandom } from "#test/support/builders.ts";
import { checkCode } from "./check-factor.ts";
import type { CodeSender } from "./code-sender.ts";
import { consoleCodeSender, noCodeSender } from "./code-sender.ts";
import { maskAddress } from "./mask.ts";
import { factorsOf } from "./present-factor.ts";
import { removeFactor } from "./remove-factor.ts";
import { activateCodeFactor, sendCode, startCodeFactor } from "./send-code.ts";
import { CODE_TRIES, CODES_PER_DAY, CODES_PER_DAY_IN_ALL, mintCode } from "./sent-code.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";
import type { FactorKit } from "./test-kit.ts";

const email = { type: "email_code", destination: "ada@example.com" } as const;
const last = (kit: FactorKit): string => kit.codes.at(-1)?.code ?? "";

async function enrolled(kit: FactorKit): Promise<FactorId> {
  const id = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), 201).id as FactorId;
  good(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code: last(kit) }), 200);
  kit.clock.time += 60_000;
  return id;
}

const send = async (kit: FactorKit, id: FactorId): Promise<string> => {
  good(await sendCode(kit.deps, kit.asked, kit.subject, id), 202);
  return last(kit);
};
const check = (kit: FactorKit, code: string) => checkCode(kit.deps, kit.subject, "email_code", code);
const wrongOf = (code: string): string => (code === "000000" ? "000001" : "000000");

describe("sent codes", () => {
  it("have six digits, evenly drawn", () => {
    const random = seededRandom(4);
    const seen = new Map<string, number>();
    for (let n = 0; n < 5_000; n++) {
      const code = mintCode(random);
      assert.match(code, /^[0-9]{6}$/);
      seen.set(code[0] ?? "", (seen.get(code[0] ?? "") ?? 0) + 1);
    }
    assert.equal(seen.size, 10);
    for (const count of seen.values()) assert.ok(count > 380 && count < 620);
    // 4,294,967,295 is beyond the even range and is drawn again.
    const draws = [Uint8Array.of(255, 255, 255, 255), Uint8Array.of(0, 0, 0, 42)];
    assert.equal(mintCode({ bytes: () => draws.shift() ?? new Uint8Array(4) }), "000042");
  });

  it("go to the address, which is kept sealed and shown masked, and prove nothing before the first is typed", async () => {
    const kit = factorKit();
    const started = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), 201);
    assert.equal(started.destination, "a•••@example.com");
    assert.deepEqual(
      kit.codes.map(({ to, channel }) => [to, channel]),
      [["ada@example.com", "email"]],
    );
    assert.ok(!(await check(kit, last(kit))).ok);
    good(await activateCodeFactor(kit.deps, kit.asked, kit.subject, started.id as FactorId, { code: last(kit) }), 200);
    assert.equal((await factorsOf(kit.deps, kit.subject))[0]?.destination, "a•••@example.com");
    const secret = await kit.deps.store.get("smartfinance-factor-secrets", { hash: String(started.id) });
    const kept = JSON.stringify([secret, await kit.set()]) + kit.events.map(({ line }) => line).join("\n");
    assert.ok(!kept.includes("ada@example.com"));
    assert.ok(!kept.includes(`"${last(kit)}"`));
    assert.equal(maskAddress("sms_code", "+442079460060"), "•••60");
  });

  it("are taken with a blank between their halves, as some write them", async () => {
    const kit = factorKit();
    const inHalves = (code: string): string => `${code.slice(0, 3)} ${code.slice(3)}`;
    const id = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), 201).id as FactorId;
    good(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code: inHalves(last(kit)) }), 200);
    kit.clock.time += 60_000;
    good(await kit.use(await check(kit, inHalves(await send(kit, id)))), 200);
  });

  it("work once, also when many use one at once", async () => {
    const kit = factorKit();
    const code = await send(kit, await enrolled(kit));
    const checks = await times(20, () => check(kit, code));
    const used = await Promise.all(checks.map((one) => kit.use(one)));
    assert.equal(used.filter((one) => one.ok && one.reply.status === 200).length, 1);
  });

  it("run out after ten minutes, and a further one voids them", async () => {
    const kit = factorKit();
    const id = await enrolled(kit);
    const first = await send(kit, id);
    kit.clock.time += 30_000;
    const second = await send(kit, id);
    assert.notEqual(first, second);
    assert.ok(!(await check(kit, first)).ok);
    const inTime = await check(kit, second);
    assert.ok(inTime.ok);
    kit.clock.time += 10 * 60_000;
    assert.ok(!(await check(kit, second)).ok);
    // Checked in time, used too late.
    bad(await kit.use(inTime), "authentication_failed");
  });

  it("do not outlive five wrong tries", async () => {
    const kit = factorKit();
    const code = await send(kit, await enrolled(kit));
    const right = await check(kit, code);
    assert.ok(right.ok);
    for (let n = 0; n < CODE_TRIES; n++) bad(await kit.use(await check(kit, wrongOf(code))), "authentication_failed");
    kit.clock.time += 60_000;
    bad(await kit.use(right), "authentication_blocked");
    assert.equal((await kit.set()).factors.map((factor) => (factor.type === "email_code" ? factor.sent : "?"))[0], null);
  });

  it("nobody makes an address his own by guessing", async () => {
    const kit = factorKit();
    const id = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), 201).id as FactorId;
    const code = last(kit);
    for (let n = 0; n < CODE_TRIES; n++)
      bad(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code: wrongOf(code) }), "factor_code_wrong");
    bad(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code }), "factor_code_wrong");
  });

  it("are sent every 30 seconds at most, and ten a day", async () => {
    const kit = factorKit();
    const id = await enrolled(kit);
    await send(kit, id);
    bad(await sendCode(kit.deps, kit.asked, kit.subject, id), "code_sent_lately");
    for (let n = 2; n < CODES_PER_DAY; n++) {
      kit.clock.time += 30_000;
      await send(kit, id);
    }
    kit.clock.time += 3_600_000;
    bad(await sendCode(kit.deps, kit.asked, kit.subject, id), "code_sent_lately");
    kit.clock.time += 86_400_000;
    await send(kit, id);
  });

  it("neither giving an enrolment up nor letting it run out gives further codes or tries", async () => {
    for (const giveUp of [true, false]) {
      const kit = factorKit();
      let started = 0;
      for (let n = 0; n < 40; n++) {
        const executed = await startCodeFactor(kit.deps, kit.asked, kit.subject, email);
        assert.ok(executed.ok);
        if (executed.reply.status === 201) {
          started += 1;
          const { id } = JSON.parse(executed.reply.body) as { readonly id: FactorId };
          if (giveUp) good(await removeFactor(kit.deps, kit.asked, kit.subject, id, {}), 200);
        } else bad(executed, "code_sent_lately");
        kit.clock.time += 11 * 60_000;
      }
      assert.equal(started, CODES_PER_DAY_IN_ALL);
      assert.equal(kit.codes.length, CODES_PER_DAY_IN_ALL);
      kit.clock.time += 86_400_000;
      good(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), 201);
    }
  });

  it("many requests at once send one", async () => {
    const kit = factorKit();
    const id = await enrolled(kit);
    const before = kit.codes.length;
    await times(10, () => sendCode(kit.deps, kit.asked, kit.subject, id));
    assert.equal(kit.codes.length, before + 1);
  });

  it("a transport that fails is told, and an address that is none is refused", async () => {
    const failing: CodeSender = { ...noCodeSender, sendNotice: () => Promise.reject(new Error("down")) };
    const errors: string[] = [];
    const kit = factorKit({ codeSender: failing, onError: (_error, what) => void errors.push(what) });
    bad(await startCodeFactor(kit.deps, kit.asked, kit.subject, email), "code_not_sent");
    for (const destination of ["ada", "a b@example.com", "+44 20", "@"])
      for (const type of ["email_code", "sms_code"] as const)
        bad(await startCodeFactor(kit.deps, kit.asked, kit.subject, { type, destination }), "invalid_request");
    await kit.totp();
    await kit.settle();
    assert.deepEqual(errors, ["a code was not sent", "a notice was not sent"]);
  });

  it("are written to the log in development, without the address", async () => {
    const lines: unknown[] = [];
    const kit = factorKit({ codeSender: consoleCodeSender((line) => void lines.push(line)) });
    good(await startCodeFactor(kit.deps, kit.asked, kit.subject, { type: "sms_code", destination: "+442079460000" }), 201);
    assert.equal(lines.length, 1);
    const text = JSON.stringify(lines);
    assert.match(text, /"channel":"codes".*"code":"[0-9]{6}"/);
    assert.ok(!text.includes("442079460000"));
  });
});
