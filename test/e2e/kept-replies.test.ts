import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startApp } from "#test/support/app.ts";

const NAME = "Wilhelmina Kept-Secret";
const NOTE = "metadata-kept-secret";

void describe("what is stored sealed", () => {
  void it("is nowhere in the store in clear, kept replies included, and replays have the same bytes", async () => {
    const app = await startApp({ store: "memory" });
    try {
      const organisation = await app.newOrganisation();
      const payer = await organisation.account({ balance: 10_000 });
      const payee = await organisation.account();
      const metadata = { note: NOTE };
      const money = { amount: 100, currency: "EUR", metadata };
      const parties = { from_account_id: payer, to_account_id: payee };
      const calls: readonly [string, object][] = [
        ["/v1/users", { name: NAME }],
        ["/v1/transfers", { ...parties, ...money }],
        ["/v1/deposits", { account_id: payee, ...money }],
        ["/v1/holds", { ...parties, ...money }],
        ["/v1/withdrawals", { account_id: payee, ...money }],
      ];
      for (const [path, body] of calls) {
        const options = { idempotencyKey: `kept${path}` };
        const first = await organisation.api.post(path, body, options);
        const again = await organisation.api.post(path, body, options);
        assert.ok(first.status === 201, `${path} ${first.text}`);
        assert.equal(again.text, first.text, `${path} is replayed byte by byte`);
        assert.equal(again.headers["idempotent-replayed"], "true");
      }
      let items = 0;
      let references = 0;
      const { database } = app.shared;
      assert.ok(database !== undefined);
      for (const { table, item } of database.dump()) {
        items += 1;
        const text = JSON.stringify(item);
        if (item.shown !== undefined) references += 1;
        assert.ok(item.shown === undefined || (!("body" in item) && !("sealed_body" in item)), `a reference is all that is kept: ${text}`);
        assert.ok(!text.includes(NAME) && !text.includes(NOTE), `${table} shows what is sealed: ${text}`);
      }
      assert.ok(items > 20);
      assert.equal(references, 1, "the transfer's reply is a reference");
    } finally {
      await app.close();
    }
  });
});
