import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ok, refused } from "../support/http-client.ts";
import type { Stage } from "./stage.ts";
import { activate } from "./risk-engine-kit.ts";
import { everyPage, idsOf } from "./stage.ts";
import { HOUR_MS } from "./suspicious.ts";

const COUNT = 33;

export function listFlows(stage: Stage): void {
  describe("lists", () => {
    it("of transactions give each once, newest first, by organisation, account, user, status, type and time", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const userId = await own.user();
      const from = await own.account({ userId, balance: 10_000 });
      const second = await own.account({ userId, balance: 10_000 });
      const to = await own.account();
      const made: { id: string; at: string; from: string }[] = [];
      for (let n = 0; n < COUNT; n++) {
        clock.advance(1_000);
        const payer = n % 3 === 0 ? second : from;
        // Every eleventh goes between the user's own accounts and is still listed once.
        const { id, created_at } = ok(await own.transfer(payer, n % 11 !== 0 ? to : payer === from ? second : from, 1), 201);
        made.push({ id, at: String(created_at), from: payer });
      }
      const all = made.map(({ id }) => id).reverse();
      const list = async (query: string, limit = 7): Promise<string[]> =>
        idsOf(await everyPage(own.api, `/v1/transactions?${query}`, limit));
      assert.deepEqual(await list("type=transfer"), all);
      assert.deepEqual((await list("status=posted")).slice(0, COUNT), all);
      assert.equal((await list("")).length, COUNT + 2);
      assert.deepEqual(await list(`user_id=${userId}&type=transfer`), all);
      assert.deepEqual(
        await list(`account_id=${from}&type=transfer`, 5),
        all.filter((_id, n) => touches(COUNT - 1 - n, from)),
      );
      assert.deepEqual(await list(`account_id=${second}&type=deposit`).then((ids) => ids.length), 1);
      assert.deepEqual(await list("type=reversal"), []);
      const [early, late] = [made[10], made[20]];
      assert.ok(early && late);
      const window = `created_from=${early.at}&created_to=${late.at}`;
      const expected = made
        .slice(10, 21)
        .map(({ id }) => id)
        .reverse();
      assert.deepEqual(await list(window, 4), expected);
      assert.deepEqual(await list(`${window}&user_id=${userId}`, 4), expected);
      assert.deepEqual(
        await list(`${window}&account_id=${to}`, 4),
        expected.filter((id) => made.findIndex((m) => m.id === id) % 11 !== 0),
      );
      refused(await own.api.get(`/v1/transactions?account_id=${from}&user_id=${userId}`), "invalid_request", "user_id");

      function touches(n: number, account: string): boolean {
        return made[n]?.from === account || (account === from && n % 11 === 0);
      }
    });

    it("up to now miss nothing of what was made after the clock was set back", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      await activate(own, [{ expression: "amount == 7", action: "review" }]);
      const userId = await own.user();
      const from = await own.account({ userId, balance: 1_000 });
      const to = await own.account();
      ok(await own.transfer(from, to, 5), 201);
      clock.advance(-HOUR_MS);
      try {
        const posted = ok(await own.transfer(from, to, 6), 201);
        const waiting = ok(await own.transfer(from, to, 7), 202);
        const window = `created_to=${String(waiting.created_at)}`;
        const both = [waiting.id, posted.id];
        for (const query of ["", `&account_id=${from}`, `&user_id=${userId}`])
          assert.deepEqual(idsOf(await everyPage(own.api, `/v1/transactions?${window}${query}`, 1)), both, query);
        assert.deepEqual(idsOf(await everyPage(own.api, `/v1/transactions?${window}&status=pending_review`, 1)), [waiting.id]);
        for (const query of ["", "&status=open", "&order=newest"])
          assert.deepEqual(idsOf(await everyPage(own.api, `/v1/reviews?${window}${query}`, 1)), [waiting["review_id"]], query);
        const user = await own.user();
        const { created_at } = ok(await own.api.get(`/v1/users/${user}`), 200);
        for (const query of ["", "&status=active", "&type=personal"])
          assert.deepEqual(idsOf(await everyPage(own.api, `/v1/users?created_to=${String(created_at)}${query}`, 1)), [user], query);
        for (const list of ["/v1/audit/events?object_id=", "/v1/events?object="])
          assert.equal((await everyPage(own.api, `${list}${posted.id}&${window}`, 1)).length, 1, list);
        // Pages go on though what was now is long over, and the ids are ahead of it still.
        const all = idsOf(await everyPage(own.api, `/v1/audit/events?${window}`, 100));
        const first = ok(await own.api.get(`/v1/audit/events?${window}&limit=2`), 200);
        clock.advance(HOUR_MS / 2);
        const rest: string[] = [];
        for (let cursor = first.next_cursor; cursor !== null; ) {
          const page = ok(await own.api.get(`/v1/audit/events?${window}&limit=2&cursor=${cursor}`), 200);
          rest.push(...idsOf(page.data));
          cursor = page.next_cursor;
        }
        assert.deepEqual([...idsOf(first.data), ...rest], all);
        clock.advance(-HOUR_MS / 2);
      } finally {
        clock.advance(HOUR_MS);
      }
    });

    it("do not lose or repeat what was there while more comes in", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 10_000 });
      const to = await own.account();
      const made: string[] = [];
      for (let n = 0; n < 10; n++) made.push(ok(await own.transfer(from, to, 1), 201).id);
      for (const query of ["type=transfer", `account_id=${to}`]) {
        const found: string[] = [];
        const before = made.toReversed();
        let cursor: string | null = "";
        while (cursor !== null) {
          const page = ok(await own.api.get(`/v1/transactions?${query}&limit=4${cursor && `&cursor=${encodeURIComponent(cursor)}`}`), 200);
          found.push(...idsOf(page.data));
          cursor = page.next_cursor;
          made.push(ok(await own.transfer(from, to, 1), 201).id);
        }
        assert.deepEqual(found, before);
      }
    });

    it("of users, accounts, keys, reviews and events page to their end", async () => {
      const own = await stage.app.newOrganisation();
      const users: string[] = [];
      for (let n = 0; n < 9; n++) users.push(await own.user(`User ${n}`));
      const listed = await everyPage(own.api, "/v1/users", 4);
      assert.deepEqual(idsOf(listed), users.toReversed());
      assert.deepEqual(listed.map((user) => user["name"]).at(-1), "User 0");
      const accounts: string[] = [];
      for (let n = 0; n < 5; n++) accounts.push(await own.account({ userId: users[0] ?? "" }));
      await own.account({ userId: users[1] ?? "" });
      assert.deepEqual(idsOf(await everyPage(own.api, `/v1/accounts?user_id=${users[0]}`, 2)), accounts.toReversed());
      assert.equal((await everyPage(own.api, "/v1/accounts", 4)).length, 6);
      assert.equal(ok(await own.api.get(`/v1/users/${users[0]}`), 200)["account_count"], 5);
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/api-keys", 1)), [own.apiKeyId]);
      assert.deepEqual(await everyPage(own.api, "/v1/reviews", 1), []);
      const events = await everyPage(own.api, "/v1/audit/events", 3);
      assert.equal(events.length, 2 + 9 + 6);
      assert.equal(new Set(idsOf(events)).size, events.length);
      const created = await everyPage(own.api, "/v1/audit/events?event_type=user.created", 2);
      assert.deepEqual(
        created.map((event) => event["object_id"]),
        users.toReversed(),
      );
    });
  });
}
