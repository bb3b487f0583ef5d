import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { systemRandom } from "#kernel/random.ts";
import { isCommonPassword } from "./common-passwords.ts";
import { createPasswords, PASSWORD_COST } from "./password-hash.ts";
import { refusePassword } from "./password-rules.ts";

const random = systemRandom();
/** A hundredth of the real cost: these tests are about turns and parameters. */
const cheap = { ...PASSWORD_COST, memory: 64, passes: 1 } as unknown as typeof PASSWORD_COST;
const context = { email: "grace.hopper@navy.example", name: "Grace Hopper", organisation: "Bank of Test" };

void describe("hashes of passwords", () => {
  void it("match their password, in every way of writing it, and no other", async () => {
    const passwords = createPasswords({ random, cost: cheap });
    const made = await passwords.make("plum tractor ﬁve sings", false);
    assert.ok(made);
    assert.equal(await passwords.matches("plum tractor five sings", made, false), true);
    for (const other of ["plum tractor five singS", "", "plum tractor five sings "])
      assert.equal(await passwords.matches(other, made, false), false);
    const again = await passwords.make("plum tractor ﬁve sings", false);
    assert.notEqual(again?.hash, made.hash);
    assert.equal(await passwords.matches("anything at all", null, false), false);
  });

  void it("are Argon2id with 19 MiB, two passes and one lane, and tell when they were made with less", async () => {
    assert.deepEqual(PASSWORD_COST, { memory: 19_456, passes: 2, parallelism: 1 });
    const old = await createPasswords({ random, cost: cheap }).make("plum tractor 9 sings", false);
    assert.ok(old);
    const passwords = createPasswords({ random });
    assert.equal(passwords.isOutdated(old), true);
    assert.equal(await passwords.matches("plum tractor 9 sings", old, false), true);
    const made = await passwords.make("plum tractor 9 sings", false);
    assert.ok(made);
    assert.equal(passwords.isOutdated(made), false);
    assert.equal(Buffer.from(made.salt, "base64url").length, 16);
    assert.equal(Buffer.from(made.hash, "base64url").length, 32);
  });

  void it("are made two at a time, those of known devices first, and not without end", async () => {
    const passwords = createPasswords({ random, cost: cheap });
    const order: string[] = [];
    const asked: Promise<unknown>[] = [];
    const ask = (who: string, known: boolean): void =>
      void asked.push(passwords.matches("x", null, known).then((answer) => order.push(answer === undefined ? `${who} refused` : who)));
    for (let n = 0; n < 34; n++) ask(`stranger ${n}`, false);
    assert.equal(passwords.busy(false), true);
    ask("one too many", false);
    assert.equal(passwords.busy(true), false);
    ask("known", true);
    await Promise.all(asked);
    assert.equal(order[0], "one too many refused");
    assert.ok(order.indexOf("known") < 5, order.join());
    assert.equal(order.length, 36);
    assert.equal(passwords.busy(false), false);
    assert.equal(await passwords.matches("x", null, false), false);
  });
});

void describe("the rules for passwords", () => {
  void it("ask for 12 to 128 characters, whatever they are", () => {
    for (const good of ["plum tractor 7 hums", "zwölf Kähne ö", "🐫 caravans over dunes", "x7Kq9vTz2LmW", "correct unicorn staple"])
      assert.equal(refusePassword(good, context), undefined, good);
    // What stands in the documents as an example is known to everybody.
    for (const printed of ["A PASSWORD OF YOUR OWN", "a password of your own", "Plum Tractor 9 Sings", "plum-tractor-9-sings"])
      assert.equal(refusePassword(printed, context)?.code, "password_not_allowed", printed);
    assert.equal(refusePassword("plum tracto", context)?.param, "password");
    assert.equal(refusePassword("p9Kvq3Zt".repeat(16), context), undefined);
    assert.equal(refusePassword(`${"p9Kvq3Zt".repeat(16)}x`, context)?.code, "password_not_allowed");
    // Counted as people do, not as bytes: eleven camels are too few.
    assert.equal(refusePassword("🐫🐪🐫🐪🐫🐪🐫🐪🐫🐪🦙", context)?.code, "password_not_allowed");
  });

  void it("refuse what is made of the name, the address and the organisation", () => {
    for (const bad of ["GraceHopper12", "grace.hopper!", "hopper-1906-12", "Bank of Test!!", "navy-navy-2026", "smartfinance26"])
      assert.equal(refusePassword(bad, context)?.code, "password_not_allowed", bad);
    assert.equal(refusePassword("hopper over seven hills", context), undefined);
  });

  void it("know what is tried first, however it is dressed up", () => {
    const common = [
      "password1234",
      "Password1234!",
      "P@ssw0rd1234",
      "123456789012",
      "000000000000",
      "abcabcabcabc",
      "qwertyuiop12",
      "1qaz2wsx3edc",
      "iloveyou1234",
      "WelcomeSummer2026!",
      "letmein-letmein",
      "administrator1",
      "CorrectHorseBatteryStaple",
      "!!!princess!!!",
      "abcdefghijkl",
      "zyxwvutsrqpo",
      "liverpool2026",
    ];
    for (const text of common) assert.equal(isCommonPassword(text), true, text);
    for (const text of ["plum tractor 7 hums", "x7Kq9vTz2LmW", "passwort für Zauneidechsen"])
      assert.equal(isCommonPassword(text), false, text);
  });

  void it("let through what a generator makes, and take any text without failing", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 15, maxLength: 15 }),
        (bytes) => !isCommonPassword(Buffer.from(bytes).toString("base64url")) || new Set(bytes).size < 4,
      ),
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) =>
        [undefined, "password_not_allowed"].includes(refusePassword(text, context)?.code),
      ),
    );
  });
});
