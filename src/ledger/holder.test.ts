import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anAccount, minor, newId, T0 } from "#test/support/builders.ts";
import type { UserId } from "#kernel/ids.ts";
import { addHolder, changeHolderRole, removeHolder, restrictHolder } from "./change-holders.ts";
import type { Account } from "./account.ts";
import { accounts } from "./account.ts";
import type { HolderRole, Restriction } from "./holder.ts";
import { holderRoles, holdersOf, MAX_HOLDERS, mayInitiate, restrictionOf } from "./holder.ts";
import { openSettlementAccount } from "./open-account.ts";
import { checkParties, post } from "./post.ts";
import { authoriseHold, captureHold, incrementHold, voidHold } from "./use-hold.ts";

const PARAMS = { payer: "from", payee: "to" };
const owner = newId("user");

function ok<T extends { readonly ok: boolean }>(result: T): Extract<T, { readonly ok: true }> {
  assert.ok(result.ok, "refused");
  return result as Extract<T, { readonly ok: true }>;
}

const held = (role: HolderRole, restriction: Restriction | null = null, userId: UserId = newId("user")): Account =>
  ok(addHolder(anAccount({ userId: owner, balance: minor(500) }), { userId, role, restriction }, T0)).account;
const restricted = (restriction: Restriction): Account =>
  restrictHolder(anAccount({ userId: owner, balance: minor(500) }), owner, restriction, T0);

void describe("holders of an account", () => {
  void it("are the first owner alone until others are added, and that is stored as nothing", () => {
    const plain = anAccount({ userId: owner });
    assert.deepEqual(holdersOf(plain), [{ userId: owner, role: "owner", restriction: null }]);
    assert.equal("holders" in accounts.toItem(plain), false);
    assert.deepEqual(holdersOf(anAccount({ userId: null })), []);
    const second = newId("user");
    const shared = ok(addHolder(plain, { userId: second, role: "viewer", restriction: null }, T0 + 5)).account;
    assert.deepEqual([shared.version, shared.updatedAt], [plain.version + 1, T0 + 5]);
    assert.deepEqual(
      holdersOf(shared).map(({ userId, role }) => [userId, role]),
      [
        [owner, "owner"],
        [second, "viewer"],
      ],
    );
    assert.equal(ok(removeHolder(shared, second, T0)).account.holders, null);
  });

  void it("are added once, up to the bound, and never to a closed account or one of the organisation", () => {
    const userId = newId("user");
    const holder = { userId, role: "viewer", restriction: null } as const;
    let account = ok(addHolder(anAccount({ userId: owner }), holder, T0)).account;
    assert.deepEqual(addHolder(account, holder, T0), { ok: false, code: "already_holder", param: "user_id" });
    assert.equal(addHolder(account, { ...holder, userId: owner }, T0).ok, false);
    while (holdersOf(account).length < MAX_HOLDERS) account = ok(addHolder(account, { ...holder, userId: newId("user") }, T0)).account;
    assert.deepEqual(addHolder(account, { ...holder, userId: newId("user") }, T0), { ok: false, code: "too_many_holders" });
    const closed: Account = { ...account, status: "closed" };
    for (const change of [addHolder(closed, holder, T0), changeHolderRole(closed, userId, "owner", T0), removeHolder(closed, userId, T0)])
      assert.deepEqual(change, { ok: false, code: "account_closed" });
    const settlement = openSettlementAccount(newId("account"), closed.organisationId, closed.currency, T0);
    assert.equal(!addHolder(settlement, holder, T0).ok && "account_type_not_allowed", "account_type_not_allowed");
  });

  void it("keep their first owner as an owner, and do not know strangers", () => {
    const second = newId("user");
    const account = held("joint_owner", null, second);
    assert.deepEqual(removeHolder(account, owner, T0), { ok: false, code: "first_owner_stays" });
    assert.deepEqual(changeHolderRole(account, owner, "viewer", T0), { ok: false, code: "first_owner_stays", param: "role" });
    assert.deepEqual(
      holdersOf(ok(changeHolderRole(account, owner, "joint_owner", T0)).account).map(({ role }) => role),
      ["joint_owner", "joint_owner"],
    );
    for (const change of [removeHolder(account, newId("user"), T0), changeHolderRole(account, newId("user"), "viewer", T0)])
      assert.deepEqual(change, { ok: false, code: "not_found" });
  });

  void it("may start payments by their role and status", () => {
    const may = holderRoles.filter((role) => {
      const userId = newId("user");
      return mayInitiate(held(role, null, userId), userId);
    });
    assert.deepEqual(may, ["owner", "joint_owner", "authorised_signatory"]);
    const signatory = newId("user");
    assert.equal(mayInitiate(held("authorised_signatory", "restricted", signatory), signatory), false);
    assert.equal(mayInitiate(anAccount({ userId: owner }), owner), true);
    assert.equal(mayInitiate(restricted("pending"), owner), false);
    assert.equal(mayInitiate(anAccount({ userId: owner }), newId("user")), false);
    assert.equal(mayInitiate(anAccount({ userId: null }), owner), false);
  });
});

void describe("restrictions", () => {
  const other = anAccount();
  const plain = anAccount({ userId: owner, balance: minor(500) });

  void it("of a restricted holder stop what goes out, of a pending one what comes in as well", () => {
    const judged = (payer: Account, payee: Account) => {
      const refusal = checkParties(payer, payee, PARAMS);
      return refusal === undefined ? undefined : [refusal.code, refusal.param];
    };
    assert.deepEqual(judged(restricted("restricted"), other), ["account_restricted", "from"]);
    assert.equal(judged(other, restricted("restricted")), undefined);
    assert.deepEqual(judged(restricted("pending"), other), ["account_restricted", "from"]);
    assert.deepEqual(judged(other, restricted("pending")), ["account_restricted", "to"]);
    assert.equal(judged(plain, other), undefined);
    const movement = { transactionId: newId("transaction"), amount: minor(1), at: T0 };
    assert.equal(post({ ...movement, payer: restricted("restricted"), payee: other }, PARAMS).ok, false);
    assert.equal(post({ ...movement, payer: plain, payee: restricted("restricted") }, PARAMS).ok, true);
  });

  void it("bind the account only where the holder owns it or stands behind it", () => {
    const bound = holderRoles.filter((role) => restrictionOf(held(role, "restricted")) !== null);
    assert.deepEqual(bound, ["owner", "joint_owner", "beneficial_owner"]);
    const both = restrictHolder(held("joint_owner", "pending"), owner, "restricted", T0);
    assert.equal(restrictionOf(both), "pending");
    assert.equal(restrictionOf(plain), null);
  });

  void it("stop the authorising, raising and capturing of holds, and never their end", () => {
    const asked = {
      id: newId("hold"),
      organisationId: plain.organisationId,
      payee: other,
      reference: null,
      metadata: null,
      assessment: {},
    };
    const terms = { ...asked, amount: minor(100), expiresAt: T0 + 1000 };
    assert.equal(authoriseHold({ ...terms, payer: restricted("restricted") }, T0, PARAMS).ok, false);
    const { hold, payer } = ok(authoriseHold({ ...terms, payer: plain }, T0, PARAMS));
    const stopped = restrictHolder(payer, owner, "restricted", T0);
    const raise = { hold, payer, payee: other, amount: minor(5) };
    assert.equal(incrementHold(raise, T0, PARAMS).ok, true);
    for (const [parties, param] of [
      [{ payer: stopped }, "from"],
      [{ payee: restricted("pending") }, "to"],
    ] as const) {
      const made = incrementHold({ ...raise, ...parties }, T0, PARAMS);
      assert.deepEqual(made.ok ? "ok" : [made.code, made.param], ["account_restricted", param]);
    }
    const capture = { transactionId: newId("transaction"), hold, payer: stopped, payee: other, amount: undefined, final: true };
    assert.equal(captureHold(capture, T0, PARAMS).ok, false);
    assert.equal(voidHold(hold, stopped, T0).ok, true);
  });

  void it("are written once, whatever the role, lifted without a trace, and left out where the account is closed", () => {
    const account = restricted("restricted");
    assert.equal(account.version, plain.version + 1);
    assert.equal(restrictHolder(account, owner, "restricted", T0), account);
    assert.equal(restrictHolder(account, newId("user"), "pending", T0), account);
    assert.equal(restrictHolder(account, owner, null, T0).holders, null);
    const closed: Account = { ...plain, status: "closed" };
    assert.equal(restrictHolder(closed, owner, "restricted", T0), closed);
    const viewer = newId("user");
    const seen = restrictHolder(held("viewer", null, viewer), viewer, "restricted", T0);
    assert.equal(restrictionOf(seen), null);
    assert.equal(restrictionOf(ok(changeHolderRole(seen, viewer, "joint_owner", T0)).account), "restricted");
  });

  void it("and roles never leave an account without an owner, whatever is done in whatever order", () => {
    const people = [owner, newId("user"), newId("user"), newId("user")];
    const step = fc.record({
      verb: fc.constantFrom("add", "role", "remove", "restrict"),
      who: fc.nat(people.length - 1),
      role: fc.constantFrom(...holderRoles),
      restriction: fc.constantFrom("pending" as const, "restricted" as const, null),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let account = anAccount({ userId: owner });
        const model = new Map<UserId, { role: HolderRole; restriction: Restriction | null }>([
          [owner, { role: "owner", restriction: null }],
        ]);
        for (const { verb, who, role, restriction } of steps) {
          const userId = people[who] ?? owner;
          const known = model.get(userId);
          if (verb === "restrict") {
            account = restrictHolder(account, userId, restriction, T0);
            if (known !== undefined) known.restriction = restriction;
            continue;
          }
          const changed =
            verb === "add"
              ? addHolder(account, { userId, role, restriction }, T0)
              : verb === "role"
                ? changeHolderRole(account, userId, role, T0)
                : removeHolder(account, userId, T0);
          if (!changed.ok) continue;
          account = changed.account;
          if (verb === "remove") model.delete(userId);
          else model.set(userId, { role, restriction: verb === "add" ? restriction : (known?.restriction ?? null) });
        }
        const stored = accounts.fromItem(JSON.parse(JSON.stringify(accounts.toItem(account))));
        assert.deepEqual(new Map(holdersOf(stored).map(({ userId, ...rest }) => [userId, rest])), model);
        assert.ok(["owner", "joint_owner"].includes(model.get(owner)?.role ?? ""));
        const binding = [...model.values()].filter(
          (it) => it.restriction !== null && !["viewer", "authorised_signatory"].includes(it.role),
        );
        assert.equal(restrictionOf(stored) !== null, binding.length > 0);
      }),
    );
  });
});
