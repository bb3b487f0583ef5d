import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Compile } from "typebox/compile";
import { checkRiskContext, type RiskContext, readEvidence } from "./context.ts";
import { assessmentSchema, riskContextSchema } from "./schema.ts";
import { shortHash } from "./short-hash.ts";
import { anyContext, berlin, customer, DAY, pay, saoPaulo, START } from "./test-kit.ts";
import { presentAssessment } from "./assessment.ts";

const validator = Compile(riskContextSchema);

for (const context of [{}, berlin, saoPaulo, { latitude: -90, longitude: 180 }, { ip: "2001:db8::1" }]) {
  test(`schema accepts ${JSON.stringify(context)}`, () => assert.equal(validator.Check(context), true));
}
for (const context of [
  { device_id: "" },
  { device_id: " " },
  { device_id: "x".repeat(129) },
  { device_id: 7 },
  { latitude: 90.1 },
  { longitude: -180.1 },
  { latitude: "52" },
  { latitude: null },
  { country: "de" },
  { country: "DEU" },
  { country: "DE\n" },
  { ip: "host.example" },
  { user_agent: "x".repeat(513) },
  { surprise: true },
]) {
  test(`schema refuses ${JSON.stringify(context).slice(0, 40)}`, () => assert.equal(validator.Check(context), false));
}

test("coordinates come in pairs", () => {
  const detail = "Latitude and longitude are given together or not at all.";
  assert.deepEqual(checkRiskContext({ latitude: 1 }), { ok: false, code: "invalid_request", param: "context.longitude", detail });
  assert.deepEqual(checkRiskContext({ longitude: 1 }, "items.3.context"), {
    ok: false,
    code: "invalid_request",
    param: "items.3.context.latitude",
    detail,
  });
  assert.equal(checkRiskContext({ latitude: 0, longitude: 0 }), undefined);
  assert.equal(checkRiskContext({}), undefined);
});

test("an address is an address", () => {
  for (const ip of ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]) assert.equal(checkRiskContext({ ip }), undefined);
  for (const ip of ["1.2.3", "256.1.1.1", ":::", ""]) assert.equal(checkRiskContext({ ip })?.param, "context.ip");
});

test("malformed parts read as absent", () => {
  const nothing = readEvidence({});
  assert.deepEqual(nothing, { device: 0, userAgent: 0, place: 0, located: false, latitude: 0, longitude: 0 });
  const poison: unknown[] = [
    { device_id: "", user_agent: "  ", country: "" },
    { latitude: Number.NaN, longitude: 1 },
    { latitude: 1, longitude: Number.NEGATIVE_INFINITY },
    { latitude: 91, longitude: 0 },
    { latitude: 0, longitude: 180.5 },
    { latitude: "1", longitude: "2" },
    { latitude: null, longitude: null, device_id: null, country: 7, user_agent: {} },
    { country: "D" },
    { country: "ßß" },
  ];
  for (const context of poison) assert.deepEqual(readEvidence(context as RiskContext), nothing);
});

test("every point of the globe has a place, and no place is a country's", () => {
  const country = readEvidence({ country: "ZZ" }).place;
  fc.assert(
    fc.property(fc.double({ min: -90, max: 90, noNaN: true }), fc.double({ min: -180, max: 180, noNaN: true }), (latitude, longitude) => {
      const { place, located } = readEvidence({ latitude, longitude });
      assert.ok(located && Number.isSafeInteger(place) && place > country && place < 0x10000 + 36 * 72);
    }),
  );
  const place = (latitude: number, longitude: number) => readEvidence({ latitude, longitude }).place;
  assert.equal(place(0, 180), place(0, -180));
  assert.equal(place(90, 0), place(89, 0));
  assert.notEqual(place(52, 13), place(52, -13));
});

test("short hashes: in range, never 0, without collisions, digits left out on request", () => {
  const seen = new Set<number>();
  for (let n = 0; n < 50_000; n++) seen.add(shortHash(`device-${n}`));
  assert.equal(seen.size, 50_000);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 700 }), (text) => {
      const hash = shortHash(text);
      assert.ok(Number.isSafeInteger(hash) && hash > 0 && hash < 2 ** 48);
    }),
  );
  assert.equal(shortHash("Firefox/140.0", true), shortHash("Firefox/9.12", true));
  assert.notEqual(shortHash("Firefox/140.0"), shortHash("Firefox/141.0"));
  assert.notEqual(shortHash("Firefox/1", true), shortHash("Chrome/1", true));
});

test("the schema of replies accepts what is presented", () => {
  const reply = Compile(assessmentSchema);
  const known = customer(20);
  fc.assert(
    fc.property(anyContext, (context) => {
      for (const profile of [undefined, known]) {
        const view = presentAssessment(pay(profile, START + DAY, { context }).assessment);
        assert.equal(reply.Check(view), true, JSON.stringify(view));
      }
    }),
  );
});
