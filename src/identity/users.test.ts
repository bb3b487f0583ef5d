import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, keep, newId, ORG, OTHER_ORG, paymentDeps, T0, testClock } from "#test/support/builders.ts";
import { openAccountFor } from "#accounts/index.ts";
import type { Executed } from "#commit/index.ts";
import type { UserId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency } from "#kernel/money.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { UserShreddedError } from "#vault/index.ts";
import { closeUser } from "./change-user-status.ts";
import type { CreateUserBody } from "./create-user.ts";
import { createUser } from "./create-user.ts";
import { eraseUser } from "./erase-user.ts";
import { listUsers } from "./list-users.ts";
import { presentUser } from "./present-user.ts";
import { updateUser } from "./update-user.ts";
import { changedUser, readUser, users } from "./user.ts";

type Shown = JsonObject & { readonly id: UserId; readonly version: number; readonly code: string; readonly param: string };

const FULL = {
  name: "Grace Höpper 👩‍💻",
  email: "Grace@Example.com",
  phone: "+4930901820",
  date_of_birth: "1906-12-09",
  address: { line1: "Arlington Way 1", city: "Arlington", country: "US" },
  tax_id: "12-3456789",
  reference: "customer-7",
  metadata: { branch: "navy-yard" },
} satisfies CreateUserBody;
const SECRETS = ["Höpper", "Grace", "grace@example.com", "4930901820", "1906-12-09", "Arlington", "12-3456789", "customer-7", "navy-yard"];

function bank() {
  const database = createMemoryDatabase();
  const store = openMemoryStore(database);
  const clock = testClock();
  let nodes = 0;
  const node = () => paymentDeps(store, clock, 100 + nodes++);
  const keyed = (id: string) => ({ actor: actorOf(), idempotency: { id, fingerprint: "f" } });
  const asked = { actor: actorOf(), idempotency: undefined };
  const text = (): string => JSON.stringify([...database.dump()]);
  const keys = (): number => [...database.dump()].filter(({ table }) => table === "smartfinance-data-keys").length;
  return { store, clock, node, keyed, asked, text, keys };
}

function answered(executed: Executed, status: number): Shown {
  assert.ok(executed.ok, JSON.stringify(executed));
  assert.equal(executed.reply.status, status, executed.reply.body);
  return JSON.parse(executed.reply.body) as Shown;
}

async function pageOf(...asked: Parameters<typeof listUsers>) {
  const page = await listUsers(...asked);
  assert.ok(page.ok, JSON.stringify(page));
  return page;
}

const refusedAs = (executed: Executed, code: string): void => {
  const told = executed.ok ? (JSON.parse(executed.reply.body) as Shown).code : executed.code;
  assert.equal(told, code);
};

void describe("createUser", () => {
  void it("keeps nothing personal in the clear, shows it to its organisation, and is replayed byte by byte without another key", async () => {
    const { store, node, keyed, text, keys } = bank();
    const deps = node();
    const executed = await createUser(deps, keyed("k"), FULL);
    const body = answered(executed, 201);
    assert.deepEqual({ ...body, ...FULL, type: "personal", status: "active", account_count: 0, version: 1 }, body);
    for (const secret of SECRETS) assert.ok(!text().toLowerCase().includes(secret.toLowerCase()), `${secret} is stored in the clear`);
    const user = await readUser(store, ORG, body.id);
    assert.ok(user);
    assert.deepEqual(await presentUser(deps, user), body);
    assert.equal(await readUser(store, OTHER_ORG, body.id), undefined);
    const before = keys();
    for (const other of [deps, node()]) {
      const again = await createUser(other, keyed("k"), FULL);
      assert.ok(executed.ok && again.ok && again.replayed && again.reply.body === executed.reply.body);
    }
    assert.equal(keys(), before);
    refusedAs(await createUser(deps, { ...keyed("k"), idempotency: { id: "k", fingerprint: "g" } }, FULL), "idempotency_key_reused");
  });

  void it("shows what was left out as null, and two users may have one address", async () => {
    const { node, asked } = bank();
    const deps = node();
    const { email, phone, date_of_birth, address, tax_id, reference, metadata } = answered(
      await createUser(deps, asked, { name: "A" }),
      201,
    );
    assert.deepEqual([email, phone, date_of_birth, address, tax_id, reference, metadata], [null, null, null, null, null, null, {}]);
    const twins = [answered(await createUser(deps, asked, FULL), 201).id, answered(await createUser(deps, asked, FULL), 201).id];
    const found = await pageOf(deps, ORG, { email: "GRACE@example.COM", limit: 10 });
    assert.deepEqual(found.users.map(({ id }) => id).toSorted(), twins.toSorted());
  });

  void it("refuses what the schema cannot see, and keeps nothing of it", async () => {
    const { node, asked, text } = bank();
    const empty = text();
    const wrong: readonly (readonly [Partial<CreateUserBody>, string])[] = [
      [{ email: "a\u00a8@b" }, "email"],
      [{ date_of_birth: "2001-02-29" }, "date_of_birth"],
      [{ date_of_birth: new Date(T0).toISOString().slice(0, 10) }, "date_of_birth"],
      [{ type: "business", date_of_birth: "1990-01-01" }, "date_of_birth"],
    ];
    for (const [more, param] of wrong) {
      const told = answered(await createUser(node(), asked, { name: "A", ...more }), 400);
      assert.deepEqual([told.code, told.param], ["invalid_request", param]);
    }
    assert.equal(text(), empty);
  });
});

void describe("updateUser", () => {
  void it("changes what is named, clears what is null, moves the indexes, and minds the version", async () => {
    const { node, asked } = bank();
    const deps = node();
    const { id } = answered(await createUser(deps, asked, FULL), 201);
    const changed = answered(await updateUser(deps, asked, id, { email: "amazing@example.com", tax_id: null, metadata: null }, 1), 200);
    assert.deepEqual({ ...changed, ...FULL, email: "amazing@example.com", tax_id: null, metadata: {}, version: 2 }, changed);
    assert.deepEqual((await pageOf(deps, ORG, { email: FULL.email, limit: 5 })).users, []);
    assert.equal((await pageOf(deps, ORG, { email: "amazing@example.com", phone: FULL.phone, limit: 5 })).users.length, 1);
    assert.equal((await pageOf(deps, ORG, { email: "amazing@example.com", phone: "+4930901821", limit: 5 })).users.length, 0);
    refusedAs(await updateUser(deps, asked, id, { name: "B" }, 1), "version_conflict");
    refusedAs(await updateUser(deps, asked, newId("user"), { name: "B" }, undefined), "not_found");
    refusedAs(await updateUser(deps, { ...asked, actor: actorOf(OTHER_ORG) }, id, { name: "B" }, undefined), "not_found");
    const told = answered(await updateUser(deps, asked, id, { address: { line1: "x", country: "DE" } as never }, undefined), 400);
    assert.deepEqual([told.code, told.param], ["missing_field", "address.city"]);
    refusedAs(await updateUser(deps, asked, id, { date_of_birth: "1990-02-30" }, undefined), "invalid_request");
  });

  void it("loses no change to another one at the same time", async () => {
    const { node, asked } = bank();
    const [one, two] = [node(), node()];
    const { id } = answered(await createUser(one, asked, FULL), 201);
    const changes = [
      updateUser(one, asked, id, { name: "B" }, undefined),
      updateUser(two, asked, id, { phone: "+15550100200" }, undefined),
      openAccountFor(one, asked, { type: "checking", currency: "EUR" as Currency, user_id: id }),
      updateUser(two, asked, id, { reference: "r" }, undefined),
    ];
    for (const executed of await Promise.all(changes)) assert.ok(executed.ok && executed.reply.status < 400, JSON.stringify(executed));
    const user = await readUser(one.store, ORG, id);
    assert.ok(user);
    const shown = await presentUser(one, user);
    assert.deepEqual([shown.name, shown.phone, shown.reference, shown.account_count, shown.version], ["B", "+15550100200", "r", 1, 5]);
  });
});

void describe("closeUser and eraseUser", () => {
  void it("close once all accounts are closed; erase only what is closed, once; nothing opens the rest any more", async () => {
    const { store, clock, node, keyed, asked, text } = bank();
    const [here, there] = [node(), node()];
    const created = await createUser(here, keyed("k"), FULL);
    const { id } = answered(created, 201);
    const before = await readUser(store, ORG, id);
    assert.ok(before && (await presentUser(there, before)).name === FULL.name, "the other node has the key in memory");

    refusedAs(await eraseUser(here, asked, id), "user_status_conflict");
    refusedAs(await eraseUser(here, asked, newId("user")), "not_found");
    refusedAs(await closeUser(here, asked, newId("user")), "not_found");
    answered(await openAccountFor(here, asked, { type: "checking", currency: "EUR" as Currency, user_id: id }), 201);
    refusedAs(await closeUser(here, asked, id), "user_has_open_accounts");
    const item = (await store.query({ table: "smartfinance-accounts", index: "UserAccountsIndex", hash: id, order: "ascending", limit: 5 }))
      .items[0];
    assert.ok(item);
    await store.commit([
      { op: "put", table: "smartfinance-accounts", item: { ...item, status: "closed", version: 2 }, condition: { version: 1 } },
    ]);
    assert.equal(answered(await closeUser(here, asked, id), 200).status, "closed");
    refusedAs(await closeUser(here, asked, id), "user_status_conflict");
    refusedAs(await openAccountFor(here, asked, { type: "checking", currency: "EUR" as Currency, user_id: id }), "user_not_active");
    assert.equal(answered(await updateUser(here, asked, id, { name: "Grace" }, undefined), 200).name, "Grace");

    const erased = answered(await eraseUser(here, asked, id), 200);
    for (const field of ["name", "email", "phone", "date_of_birth", "address", "tax_id", "reference"]) assert.equal(erased[field], null);
    assert.deepEqual([erased.metadata, erased.status, erased.account_count], [{}, "closed", 1]);
    assert.notEqual(erased.erased_at, null);
    refusedAs(await eraseUser(here, asked, id), "user_erased");
    refusedAs(await updateUser(here, asked, id, { name: "Back" }, undefined), "user_erased");
    refusedAs(await closeUser(here, asked, id), "user_status_conflict");
    assert.deepEqual((await pageOf(there, ORG, { email: FULL.email, limit: 5 })).users, []);
    assert.deepEqual((await pageOf(there, ORG, { phone: FULL.phone, limit: 5 })).users, []);
    assert.equal((await pageOf(there, ORG, { status: "closed", limit: 5 })).users[0]?.id, id);
    for (const deps of [here, there, node()]) {
      // The kept reply shows nothing more, not even where the key is still in memory.
      refusedAs(await createUser(deps, keyed("k"), FULL), "user_erased");
    }
    // A record that was read before, as by a lagging index: here at once, elsewhere when the key is looked at again.
    assert.equal((await presentUser(here, before)).erased_at, erased.erased_at);
    clock.time += 5_000;
    assert.equal((await presentUser(there, before)).erased_at, erased.erased_at);
    assert.ok(!text().includes(String(before.emailIndex)) && !text().includes(String(before.phoneIndex)), "the index entries are gone");
    await assert.rejects(here.vault.userKey(ORG, id), UserShreddedError);
  });

  void it("are not outrun by an account opened, a change or another erasure at the same time", async () => {
    const { store, node, asked } = bank();
    let closings = 0;
    for (let round = 0; round < 10; round++) {
      const [one, two] = [node(), node()];
      const { id } = answered(await createUser(one, asked, FULL), 201);
      const closing = closeUser(one, asked, id);
      // From "at once" to "when it is done", so that either may win.
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
      const [opened, closed] = await Promise.all([
        openAccountFor(two, asked, { type: "checking", currency: "EUR" as Currency, user_id: id }),
        closing,
      ]);
      assert.ok(opened.ok);
      const didClose = closed.ok && closed.reply.status === 200;
      assert.notEqual(opened.reply.status === 201, didClose, "exactly one of the two happens");
      if (!didClose) continue;
      closings += 1;
      const outcomes = await Promise.all([
        eraseUser(one, asked, id),
        eraseUser(two, asked, id),
        updateUser(two, asked, id, { name: "Late" }, undefined),
      ]);
      const codes = outcomes.map((executed) => (executed.ok ? executed.reply.status : executed.code));
      assert.equal(codes.slice(0, 2).filter((code) => code === 200).length, 1, JSON.stringify(codes));
      for (const code of codes) assert.ok(code === 200 || code === 410 || code === "user_erased", String(code));
      const user = await readUser(store, ORG, id);
      assert.ok(user && user.erasedAt !== null && user.profile === null);
    }
    assert.ok(closings > 0 && closings < 10, "one of the two always won, so nothing was shown");
  });

  void it("a change that had read the user before it was erased is refused, whenever the erasure comes", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { store, node, asked } = bank();
      const [one, two] = [node(), node()];
      const { id } = answered(await createUser(one, asked, FULL), 201);
      answered(await closeUser(one, asked, id), 200);
      const changing = updateUser(two, asked, id, { name: "Late" }, undefined);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const [changed, erased] = await Promise.all([changing, eraseUser(one, asked, id)]);
      assert.equal(erased.ok && erased.reply.status, 200);
      if (!changed.ok || changed.reply.status !== 200) refusedAs(changed, "user_erased");
      const user = await readUser(store, ORG, id);
      assert.ok(user && user.profile === null);
    }
  });

  void it("never say that nothing was done when only the answer cannot be shown", async () => {
    const { store, node, asked } = bank();
    const deps = node();
    const { id } = answered(await createUser(deps, asked, FULL), 201);
    const lost = async (): Promise<never> => {
      throw new StoreUnavailableError("gone");
    };
    const blind = { ...deps, vault: { ...deps.vault, dataKeyById: lost } };
    refusedAs(await closeUser(blind, asked, id), "outcome_unknown");
    assert.equal((await readUser(store, ORG, id))?.status, "closed");
  });

  void it("let only active and pending users open accounts", async () => {
    const { store, node, asked } = bank();
    const deps = node();
    const { id } = answered(await createUser(deps, asked, FULL), 201);
    const user = await readUser(store, ORG, id);
    assert.ok(user);
    const open = () => openAccountFor(deps, asked, { type: "checking", currency: "EUR" as Currency, user_id: id });
    await keep(store, users, [changedUser(user, { status: "restricted" }, T0)]);
    refusedAs(await open(), "user_not_active");
    await keep(store, users, [changedUser(user, { status: "pending" }, T0)]);
    assert.equal(answered(await open(), 201)["restriction"], "pending");
  });
});

void describe("listUsers", () => {
  void it("fills a page from what several filters leave, loses nobody, and gives up looking after a while", async () => {
    const { store, clock, node, asked } = bank();
    const deps = node();
    const firms: UserId[] = [];
    for (let n = 0; n < 60; n++) {
      const business = n % 6 === 0;
      const { id } = answered(await createUser(deps, asked, { type: business ? "business" : "personal", name: `Customer ${n}` }), 201);
      if (business) firms.unshift(id);
      clock.time += 1_000;
    }
    const first = await pageOf(deps, ORG, { type: "business", limit: 4 });
    assert.deepEqual(
      first.users.map(({ id }) => id),
      firms.slice(0, 4),
    );
    const all: UserId[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await pageOf(deps, ORG, { type: "business", limit: 4, cursor });
      assert.ok(page.users.length <= 4);
      all.push(...page.users.map(({ id }) => id));
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined && pages < 60);
    assert.deepEqual(all, firms);
    assert.equal(pages, 3);
    let reads = 0;
    const query: typeof store.query = async () => {
      reads += 1;
      const item = users.toItem(changedUser((await readUser(store, ORG, firms[0] ?? newId("user"))) ?? assert.fail(), {}, T0));
      return { items: [{ ...item, id: newId("user"), type: "personal" }], cursor: "more" };
    };
    const endless = await pageOf({ ...deps, store: { ...store, query } }, ORG, { type: "business", limit: 1 });
    assert.deepEqual([endless.users, reads], [[], 10]);
    assert.ok(isId("user", endless.cursor), "where to go on");
    const wrong = await listUsers(deps, ORG, { limit: 1, cursor: "nonsense" });
    assert.deepEqual(wrong, { ok: false, code: "invalid_cursor", param: "cursor" });
    const between = await pageOf(deps, ORG, { from: T0 + 10_000, to: T0 + 12_000, limit: 50 });
    assert.equal(between.users.length, 3);
    assert.equal(between.cursor, undefined);
    const limits: unknown[] = [];
    const noted: typeof store.query = async (asked) => {
      limits.push(asked.to);
      return store.query(asked);
    };
    const never = await pageOf({ ...deps, store: { ...store, query: noted } }, ORG, { to: Date.UTC(1969, 0), limit: 50 });
    assert.deepEqual([never.users, limits], [[], ["usr_0000000000"]]);
  });
});
