import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aTransaction, anAccount, EUR, keep, minor, newId, ORG, OTHER_ORG, T0 } from "#test/support/builders.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Transaction } from "#ledger/index.ts";
import { transactions } from "#ledger/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Review } from "./review.ts";
import { deviceOf, listLinked } from "./review-linked.ts";

const DAY = 86_400_000;
const DEVICE = 31_337;

function idAt(at: number): Transaction["id"] {
  return createIds({ now: () => at, sleep: () => Promise.resolve() }, systemRandom()).next("transaction");
}

/** A transaction as it was assessed; what else it says does not matter here. */
function made(createdAt: number, assessment: Transaction["assessment"], organisationId = ORG): Transaction {
  const [payer, payee] = [anAccount({ organisationId }), anAccount({ organisationId })];
  return aTransaction(payer, payee, [], { id: idAt(createdAt), organisationId, assessment, createdAt, postedAt: createdAt });
}

function reviewOf(transaction: Transaction): Review {
  return {
    id: newId("review"),
    organisationId: ORG,
    transactionId: transaction.id,
    fromAccountId: transaction.fromAccountId,
    toAccountId: transaction.toAccountId,
    amount: minor(1),
    currency: EUR,
    status: "open",
    assessment: transaction.assessment ?? {},
    createdAt: transaction.createdAt,
    decidedAt: null,
    decidedBy: null,
    version: 1,
  };
}

void describe("transactions linked by their device", () => {
  void it("are those of the organisation, of that device and of those days, on pages that read so much at most", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const own = made(T0, { score: 9000, device: DEVICE });
    const before = made(T0 - DAY, { score: 9000, device: DEVICE });
    const after = made(T0 + DAY, { score: 9000, device: DEVICE });
    const others = [
      made(T0 - DAY - 1, { score: 9000, device: DEVICE }),
      made(T0 + DAY + 1, { score: 9000, device: DEVICE }),
      made(T0, { device: DEVICE + 1 }),
      made(T0, {}),
      made(T0, null),
      made(T0, { score: 9000, device: DEVICE }, OTHER_ORG),
    ];
    // More than one page may look at stand between the newest and the oldest.
    const between = Array.from({ length: 2_100 }, (_, n) => made(T0 - 1_000 - n, { device: 1 }));
    await keep(store, transactions, [own, before, after, ...others, ...between]);
    const found: unknown[] = [];
    let pages = 0;
    let cursor: string | undefined;
    do {
      const page = await listLinked(store, reviewOf(own), { by: "device", days: 1, limit: 5, cursor, at: T0 });
      assert.ok(page.ok);
      found.push(...page.data.map(({ id }) => id));
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined && pages < 10);
    assert.deepEqual([found, pages], [[after.id, before.id], 2]);
  });

  void it("are none for a payment that named no device, without anything being read", async () => {
    const unread = { query: () => assert.fail("nothing is to be read") } as unknown as Parameters<typeof listLinked>[0];
    for (const assessment of [{}, { device: 0 }, { device: "phone" }]) {
      assert.equal(deviceOf(assessment), undefined);
      const page = await listLinked(unread, reviewOf(made(T0, assessment)), { by: "device", days: 1, limit: 5, cursor: undefined, at: T0 });
      assert.deepEqual(page, { ok: true, data: [], cursor: undefined });
    }
  });
});
