import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, aPolicy, berlin, ORG, saoPaulo } from "#test/support/builders.ts";
import type { DeviceProfile, FeatureState, PayeeProfile, PayerProfile } from "#features/index.ts";
import { encodeDevice, encodePayee, encodePayer, observe, observeFraud, readPayment } from "#features/index.ts";
import type { TransactionId } from "#kernel/ids.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { accounts } from "#ledger/index.ts";
import type { RiskContext, RiskDevice, RiskProfile } from "#risk/index.ts";
import { assessmentFromItem, decodeFeatures, deviceIdIn, riskDevices, riskProfiles } from "#risk/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { FEATURES } from "#features/index.ts";
import { profileIdOf } from "../decide/judge.ts";
import type { PaymentDeps } from "../deps.ts";
import { fraudLessonOf } from "../learn-fraud.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";
import { transferBatch } from "./transfer-batch.ts";
import { transfer } from "./transfer.ts";

const CUSTOMERS = 4;
const BALANCE = 10_000_000;
const contexts: readonly RiskContext[] = [
  berlin,
  { ...berlin, ip: "192.0.2.9" },
  saoPaulo,
  {},
  { device_id: "shared", country: "FR" },
  { device_id: " ", latitude: 999, longitude: 0 },
];
/** Large payments wait for a review, the largest are blocked. */
const policy = aPolicy([
  { name: "large", expression: "amount > 9000", action: "review" },
  { name: "larger", expression: "amount > 9500", action: "block" },
]);

interface Step {
  readonly transaction: TransactionId;
  readonly payer: number;
  readonly payee: number;
  readonly amount: number;
  readonly context: RiskContext;
}

/** Keys of what is stored, by what the product calls them. */
function storedTexts(bank: Awaited<ReturnType<typeof aBank>>) {
  const texts = new Map<string, string>();
  const put = (id: string, text: string | null | undefined): void => {
    if (text !== null && text !== undefined) texts.set(id, text);
  };
  for (const { table, item } of bank.database.dump()) {
    if (table === riskProfiles.table) {
      const profile: RiskProfile = riskProfiles.fromItem(item);
      put(profile.id, profile.features && encodePayer(profile.features));
    } else if (table === accounts.table) put(accounts.fromItem(item).id, accounts.fromItem(item).incoming);
    else if (table === riskDevices.table) {
      const device: RiskDevice = riskDevices.fromItem(item);
      put(device.id, encodeDevice(device.features));
    }
  }
  return texts;
}

/** The profiles built up again from the history alone: requests, what became of them and when, and the frauds that became known. */
function rebuilt(
  bank: Awaited<ReturnType<typeof aBank>>,
  history: readonly (Step | { readonly fraud: TransactionId; readonly at: number })[],
) {
  const payers = new Map<string, PayerProfile>();
  const payees = new Map<string, PayeeProfile>();
  const devices = new Map<string, DeviceProfile>();
  const { transactions } = bank.check();
  const byId = new Map(transactions.map((one) => [one.id, one]));
  const steps = new Map<TransactionId, Step>();
  /** What each account could spend, followed from the transactions. */
  const available = new Map<string, bigint>(bank.opened.map(({ id }) => [id, BigInt(BALANCE)]));
  const partiesOf = (step: Step) => {
    const payer = bank.opened[step.payer] as Account;
    return { payer, ownerId: profileIdOf(payer), payeeId: bank.customer(step.payee), deviceId: deviceIdIn(ORG, step.context) };
  };
  const stateOf = (ownerId: string, payeeId: string, deviceId: string | undefined): FeatureState => ({
    payer: payers.get(ownerId),
    payee: payees.get(payeeId),
    device: deviceId === undefined ? undefined : devices.get(deviceId),
  });
  for (const step of history) {
    if ("fraud" in step) {
      const past = steps.get(step.fraud);
      assert.ok(past);
      const { ownerId, payeeId, deviceId } = partiesOf(past);
      const after = observeFraud(stateOf(ownerId, payeeId, deviceId), { at: step.at, device: deviceId });
      if (after.payer !== undefined) payers.set(ownerId, after.payer);
      if (after.payee !== undefined) payees.set(payeeId, after.payee);
      if (deviceId !== undefined && after.device !== undefined) devices.set(deviceId, after.device);
      continue;
    }
    steps.set(step.transaction, step);
    const kept = byId.get(step.transaction) as Transaction;
    const { payer, ownerId, payeeId, deviceId } = partiesOf(step);
    const { context } = step;
    const seen = readPayment({
      payer: ownerId,
      payee: payeeId,
      amount: step.amount,
      at: kept.createdAt,
      device: context.device_id,
      ip: context.ip,
      latitude: context.latitude,
      longitude: context.longitude,
      country: context.country,
      openedAt: payer.createdAt,
      available: Number(available.get(payer.id)),
    });
    const before = stateOf(ownerId, payeeId, deviceId);
    const after = observe(before, seen, kept.status === "posted" ? "posted" : "held");
    if (after.payer !== undefined) payers.set(ownerId, after.payer);
    if (after.payee !== undefined && kept.status !== "blocked") payees.set(payeeId, after.payee);
    if (deviceId !== undefined && after.device !== undefined) devices.set(deviceId, after.device);
    if (kept.status !== "blocked") available.set(payer.id, (available.get(payer.id) ?? 0n) - kept.amount);
    if (kept.status === "posted") available.set(payeeId, (available.get(payeeId) ?? 0n) + kept.amount);
  }
  const texts = new Map<string, string>();
  for (const [id, profile] of payers) texts.set(id, encodePayer(profile));
  for (const [id, profile] of payees) texts.set(id, encodePayee(profile));
  for (const [id, profile] of devices) texts.set(id, encodeDevice(profile));
  return texts;
}

/** Confirms a fraud, as the commands that label do. */
async function confirm(deps: PaymentDeps, id: TransactionId): Promise<void> {
  const lesson = await fraudLessonOf(deps.store, deps.facts, ORG, id);
  assert.ok(lesson);
  const executed = await deps.queue.execute({
    actor: actorOf(),
    needs: lesson.needs,
    decide(view, at) {
      const changes: { collection: never; record: never }[] = [];
      const get = view.get.bind(view);
      lesson.teach(
        {
          get,
          put: (collection, record) => void changes.push({ collection, record } as never),
          tell: () => undefined,
          outcome: () => assert.fail("not asked for"),
        },
        at,
      );
      const event = { id: deps.ids.next("event"), type: "risk.labelled" as const, objectId: id };
      return { reply: { status: 200, body: "{}" }, changes: changes as never, events: [event] };
    },
  });
  assert.ok(executed.ok);
}

void describe("the profiles", () => {
  void it("are rebuilt from the history exactly, whatever was held, blocked or found to be fraud", async () => {
    const bank = await aBank(CUSTOMERS, BALANCE);
    const node = await bank.node();
    const deps: PaymentDeps = { ...node, policies: { of: () => policy } };
    const history: (Step | { readonly fraud: TransactionId; readonly at: number })[] = [];
    let dice = 7;
    const roll = (sides: number): number => {
      dice = (Math.imul(dice, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((dice / 2 ** 32) * sides);
    };
    const statuses = new Set<unknown>();
    for (let n = 0; n < 120; n++) {
      bank.clock.time += roll(4) === 0 ? roll(86_400_000) : roll(300_000);
      const payer = roll(CUSTOMERS);
      const payee = (payer + 1 + roll(CUSTOMERS - 1)) % CUSTOMERS;
      const amount = 1 + roll(10_000);
      const context = contexts[roll(contexts.length)] ?? {};
      // A clock that goes back, once in a while.
      if (roll(20) === 0) bank.clock.time -= 1_000;
      await transfer(deps, asking(`key-${n}`), bank.body(payer, payee, amount, { context }));
      const known = new Set(history.map((step) => ("fraud" in step ? step.fraud : step.transaction)));
      const transaction = bank.check().transactions.find(({ id }) => !known.has(id));
      assert.ok(transaction);
      statuses.add(transaction.status);
      history.push({ transaction: transaction.id, payer, payee, amount, context });
      if (roll(12) === 0) {
        bank.clock.time += roll(86_400_000);
        await confirm(deps, transaction.id);
        history.push({ fraud: transaction.id, at: bank.clock.time });
      }
    }
    assert.deepEqual(statuses, new Set(["posted", "pending_review", "blocked"]));
    assert.ok(history.some((step) => "fraud" in step));
    const stored = storedTexts(bank);
    assert.ok(stored.size > 2 * CUSTOMERS);
    assert.deepEqual(stored, rebuilt(bank, history));
  });
});

void describe("parallel payments", () => {
  const counts = (transactions: readonly Transaction[]) =>
    transactions.map(({ assessment }) => {
      assert.ok(assessment);
      const { verdict, velocity_count } = assessmentFromItem(assessment);
      assert.ok(verdict);
      const features = decodeFeatures(verdict.features);
      const of = (name: string) => features[FEATURES.findIndex((feature) => feature.name === name)];
      return [velocity_count, of("payer_count_10m"), of("payee_count_10m"), of("pair_count_10m")];
    });

  void it("are counted one after the other: eleven at once are eleven in a row, on two nodes", async () => {
    const bank = await aBank(2, BALANCE);
    const nodes = [await bank.node(), await bank.node()];
    const sent = Array.from({ length: 11 }, (_, n) => {
      const deps = nodes[n % 2];
      assert.ok(deps);
      return transfer(deps, asking(`burst-${n}`), bank.body(0, 1, 100 + n, { context: berlin }));
    });
    for (const executed of await Promise.all(sent)) assert.equal(answerOf(executed).status, 201);
    const { transactions } = bank.check();
    const seen = counts(transactions).toSorted(([a = 0], [b = 0]) => a - b);
    assert.deepEqual(
      seen,
      Array.from({ length: 11 }, (_, n) => [n + 1, n, n, n]),
    );
  });

  void it("are stopped by a rule from the very payment on that it speaks of", async () => {
    const bank = await aBank(2, BALANCE);
    const node = await bank.node();
    const third = aPolicy([{ expression: "payer_count_10m >= 3.0", action: "block" }]);
    const deps: PaymentDeps = { ...node, policies: { of: () => third } };
    const sent = Array.from({ length: 9 }, (_, n) => transfer(deps, asking(`rule-${n}`), bank.body(0, 1, 100, { context: berlin })));
    const statuses = (await Promise.all(sent)).map((executed) => answerOf(executed).status);
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [201, 201, 201, 422, 422, 422, 422, 422, 422],
    );
    const { accounts: stored, transactions } = bank.check();
    assert.equal(transactions.filter(({ status }) => status === "blocked").length, 6);
    assert.equal(stored.find(({ id }) => id === bank.customer(0))?.balance, BigInt(BALANCE - 300));
  });
});

void describe("a blocked payment", () => {
  const blocking = aPolicy([{ expression: "amount > 500", action: "block" }]);

  void it("is kept once, whoever repeats it at the same time, and answers the same bytes for ever", async () => {
    const bank = await aBank(2, BALANCE);
    const nodes = await Promise.all([bank.node(), bank.node()]);
    const sent = Array.from({ length: 8 }, (_, n) => {
      const node = nodes[n % 2];
      assert.ok(node);
      return transfer({ ...node, policies: { of: () => blocking } }, asking("same"), bank.body(0, 1, 501, { context: berlin }));
    });
    const executed = await Promise.all(sent);
    const bodies = new Set(executed.flatMap((one) => (one.ok ? [one.reply.body] : [])));
    assert.equal(bodies.size, 1);
    for (const one of executed) assert.ok(one.ok || one.code === "idempotency_key_in_use");
    const { transactions, accounts: stored } = bank.check();
    assert.deepEqual(
      transactions.map(({ status }) => status),
      ["blocked"],
    );
    assert.ok(stored.every(({ version, incoming }) => version === 1 && incoming === null));
    // The policy has changed meanwhile: what was answered stays.
    const [node] = nodes;
    const replay = answerOf(await transfer(node, asking("same"), bank.body(0, 1, 501, { context: berlin })));
    assert.deepEqual([replay.status, replay.replayed, replay.body["code"]], [422, true, "risk_declined"]);
    assert.match(String(replay.body["detail"]), new RegExp(String(transactions[0]?.id)));
  });

  void it("is one result of an independent batch, and the end of an atomic one, of which nothing stays", async () => {
    const bank = await aBank(3, BALANCE);
    const deps: PaymentDeps = { ...(await bank.node()), policies: { of: () => blocking } };
    const transfers = [bank.body(0, 1, 100), bank.body(0, 1, 501), bank.body(0, 2, 100)];
    const atomic = answerOf(await transferBatch(deps, asking("atomic"), { mode: "atomic", transfers }));
    assert.deepEqual([atomic.status, atomic.body["code"], atomic.body["param"]], [422, "risk_declined", "transfers.1"]);
    assert.deepEqual(bank.check().transactions, []);
    const { body } = answerOf(await transferBatch(deps, asking("independent"), { mode: "independent", transfers }));
    const results = body["results"] as Record<string, unknown>[];
    assert.deepEqual(
      results.map(({ status, code, transaction_status }) => [status, code, transaction_status]),
      [
        [201, undefined, "posted"],
        [422, "risk_declined", "blocked"],
        [201, undefined, "posted"],
      ],
    );
    const { transactions } = bank.check();
    const blocked = transactions.find(({ status }) => status === "blocked");
    assert.deepEqual([blocked?.id, typeof results[1]?.["risk_score"]], [results[1]?.["transaction_id"], "number"]);
  });
});

void describe("a payment whose policy cannot be read", () => {
  void it("is not decided at all", async () => {
    const bank = await aBank(2, BALANCE);
    const node = await bank.node();
    const down = () => Promise.reject(new StoreUnavailableError("down"));
    for (const broken of [
      { ...node, policies: { of: down } },
      { ...node, models: { of: down, find: () => undefined } },
    ]) {
      await assert.rejects(transfer(broken, asking("k"), bank.body(0, 1, 100)), StoreUnavailableError);
      await assert.rejects(
        transferBatch(broken, asking("b"), { mode: "independent", transfers: [bank.body(0, 1, 100)] }),
        StoreUnavailableError,
      );
    }
    assert.deepEqual(bank.check().transactions, []);
  });
});
