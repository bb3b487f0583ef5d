import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import { decodeDevice, decodePayee, decodePayer, encodeDevice, encodePayee, encodePayer } from "./codec.ts";
import { UNKNOWN_DEVICE } from "./device-profile.ts";
import { UNKNOWN_PAYEE } from "./payee-profile.ts";
import { UNKNOWN_PAYER } from "./payer-profile.ts";
import { AMOUNT_MAX, readPayment, TIME_MAX } from "./payment.ts";
import { DAY, type Entry, histories, HOUR, MINUTE, paymentWith, START, streamOf } from "./test-kit.ts";
import { type FeatureState, observe, observeFraud, vector } from "./vector.ts";

/** The state as it comes back from a store. */
const stored = ({ payer, payee, device }: FeatureState): FeatureState => ({
  payer: payer === undefined ? undefined : decodePayer(encodePayer(payer)),
  payee: payee === undefined ? undefined : decodePayee(encodePayee(payee)),
  device: device === undefined ? undefined : decodeDevice(encodeDevice(device)),
});

const partiesOf = (entry: Entry): { payer: string; payee: string; device?: string } =>
  entry.kind === "payment" ? entry.payment : entry.label;

test("profiles that were stored after every payment are those of one replay of the history", () => {
  fc.assert(
    fc.property(histories(60), (history) => {
      const stores = { payers: new Map<string, string>(), payees: new Map<string, string>(), devices: new Map<string, string>() };
      for (const entry of history) {
        const { payer, payee, device = "" } = partiesOf(entry);
        const texts = [stores.payers.get(payer), stores.payees.get(payee), stores.devices.get(device)] as const;
        const before: FeatureState = {
          payer: texts[0] === undefined ? undefined : decodePayer(texts[0]),
          payee: texts[1] === undefined ? undefined : decodePayee(texts[1]),
          device: texts[2] === undefined ? undefined : decodeDevice(texts[2]),
        };
        const after =
          entry.kind === "payment" ? observe(before, readPayment(entry.payment), entry.outcome) : observeFraud(before, entry.label);
        if (after.payer !== undefined) stores.payers.set(payer, encodePayer(after.payer));
        if (after.payee !== undefined) stores.payees.set(payee, encodePayee(after.payee));
        if (after.device !== undefined) stores.devices.set(device, encodeDevice(after.device));
      }
      const replayed = streamOf(history);
      for (const entry of history) {
        const parties = partiesOf(entry);
        const state = replayed.state(parties);
        assert.equal(stores.payers.get(parties.payer), state.payer && encodePayer(state.payer));
        assert.equal(stores.payees.get(parties.payee), state.payee && encodePayee(state.payee));
        if (parties.device !== undefined) assert.equal(stores.devices.get(parties.device), state.device && encodeDevice(state.device));
        assert.deepEqual(stored(state), state);
      }
    }),
    { numRuns: 60 },
  );
});

test("the empty profiles and the extremes come back as they were", () => {
  assert.deepEqual(stored({ payer: UNKNOWN_PAYER, payee: UNKNOWN_PAYEE, device: UNKNOWN_DEVICE }), {
    payer: UNKNOWN_PAYER,
    payee: UNKNOWN_PAYEE,
    device: UNKNOWN_DEVICE,
  });
  let state: FeatureState = { payer: undefined, payee: undefined, device: undefined };
  for (const at of [0, 1, 60_000, START, TIME_MAX, Number.MAX_VALUE]) {
    for (const amount of [0, 1, AMOUNT_MAX]) {
      state = observe(state, readPayment(paymentWith({ at, amount, latitude: -90, longitude: 180 })), "posted");
      assert.deepEqual(stored(state), state);
    }
  }
});

test("a text is one word that JSON carries as it is", () => {
  const { payer, payee, device } = streamOf([{ kind: "payment", payment: paymentWith(), outcome: "posted" }]).state(paymentWith());
  assert.ok(payer !== undefined && payee !== undefined && device !== undefined);
  for (const text of [encodePayer(payer), encodePayee(payee), encodeDevice(device)]) assert.match(text, /^[\w-]+$/);
});

function example(): { payer: string; payee: string; device: string } {
  const entries: Entry[] = Array.from({ length: 40 }, (_, i) => ({
    kind: "payment",
    outcome: "posted",
    payment: paymentWith({
      at: START + i * 7 * HOUR,
      payee: `shop ${i % 5}`,
      payer: i % 3 === 0 ? "other" : "payer",
      amount: 100 + i * 77,
    }),
  }));
  const label = { payer: "payer", payee: "shop 1", device: "phone", at: START + 5 * DAY };
  const { payer, payee, device } = streamOf([...entries, { kind: "label", label }]).state(label);
  assert.ok(payer !== undefined && payee !== undefined && device !== undefined);
  return { payer: encodePayer(payer), payee: encodePayee(payee), device: encodeDevice(device) };
}

test("what was not written is refused, and never read as something else", () => {
  const texts = example();
  const kinds = [
    { text: texts.payer, again: (text: string) => encodePayer(decodePayer(text)) },
    { text: texts.payee, again: (text: string) => encodePayee(decodePayee(text)) },
    { text: texts.device, again: (text: string) => encodeDevice(decodeDevice(text)) },
  ];
  for (const { text, again } of kinds) {
    for (const bad of [
      "",
      "A",
      `C${text.slice(1)}`,
      `${text}A`,
      ` ${text}`,
      text.replace(/.$/, "é"),
      "A".repeat(20_000),
      "_".repeat(300),
    ]) {
      assert.throws(() => again(bad), InvariantError, bad.slice(0, 20));
    }
    for (let cut = 0; cut < text.length; cut++) assert.throws(() => again(text.slice(0, cut)), InvariantError);
    const change = fc.record({ at: fc.nat(text.length - 1), to: fc.constantFrom("A", "B", "C", "g", "z", "0", "9", "-", "_", "!") });
    fc.assert(
      fc.property(change, ({ at, to }) => {
        const forged = text.slice(0, at) + to + text.slice(at + 1);
        try {
          assert.equal(again(forged), forged);
        } catch (error) {
          assert.ok(error instanceof InvariantError);
        }
      }),
      { numRuns: 500 },
    );
  }
});

test("a profile is bounded, however busy its owner", () => {
  let state: FeatureState = { payer: undefined, payee: undefined, device: undefined };
  let at = START;
  for (let i = 0; i < 6000; i++) {
    at += i < 3000 ? 20 * MINUTE : 7000;
    const payment = paymentWith({
      at,
      payee: `shop ${i % 9}`,
      device: `phone ${i % 7}`,
      ip: `10.0.${i % 9}.1`,
      amount: 2 ** (i % 40),
      payer: `p${i}`,
    });
    state = observe({ ...state, device: undefined }, readPayment(payment), "posted");
  }
  assert.ok(state.payer !== undefined && state.payee !== undefined);
  assert.ok(encodePayer(state.payer).length < 2500, `${encodePayer(state.payer).length}`);
  assert.ok(encodePayee(state.payee).length < 1000, `${encodePayee(state.payee).length}`);
  assert.ok(vector(state, readPayment(paymentWith({ at }))).every(Number.isFinite));
});
