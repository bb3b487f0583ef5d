import type { Dice } from "./dice.ts";
import type { Model, ModelAccount, ModelHold } from "./model.ts";
import { reservedAt } from "./model.ts";
import type { Context, Free, Operation, Tenant, TransferBody } from "./operations.ts";

const CURRENCIES = ["EUR", "EUR", "EUR", "JPY"] as const;
const COUNTRIES = ["DE", "FR", "JP", "BR", "US"] as const;
const NAMES = ["Grace Hopper", "Emmy Noether", "Zoë Müller-Ødegård", "李小龍"] as const;
const HUGE = 9007199254740991;

/** What clients do, and how often. */
const WEIGHTS = {
  transfer: 26,
  batch: 7,
  deposit: 8,
  withdraw: 7,
  authorise: 13,
  capture: 12,
  increment: 5,
  void: 3,
  reverse: 7,
  review: 6,
  open_account: 2,
  create_user: 1,
  verify: 2,
  patch: 4,
  freeze: 1.5,
  unfreeze: 4,
  close: 2,
} as const;

/**
 * Draws what a client of `tenant` asks for next: mostly sensible, sometimes wrong in every way the rules know.
 * @param aim a hold that is to be used now
 */
export function drawOperation(dice: Dice, model: Model, tenant: Tenant, foreign: Tenant, now: number, aim?: ModelHold): Operation {
  const mine = model.accounts.all().filter((account) => account.tenant === tenant.id);
  const theirs = model.accounts.all().filter((account) => account.tenant === foreign.id);
  const customers = mine.filter(({ type }) => type !== "settlement");
  const currency = dice.chance(0.03) ? "KWD" : dice.pick(CURRENCIES);

  const anyAccount = (): ModelAccount => {
    if (dice.chance(0.02) && theirs.length > 0) return dice.pick(theirs);
    if (dice.chance(0.02)) return dice.pick(mine);
    // A few accounts are hot.
    return dice.chance(0.5) ? (customers[dice.below(Math.min(3, customers.length))] ?? dice.pick(customers)) : dice.pick(customers);
  };
  const unknown = (id: string): string => (dice.chance(0.02) ? id.slice(0, -4) + dice.pick(["0000", "ZZZZ"]) : id);
  const amountFor = (account: ModelAccount): number => {
    const free = account.balance - reservedAt(account, now) + account.overdraft;
    switch (dice.weighted({ small: 48, part: 18, all: 6, balance: 4, over: 8, large: 10, huge: 2 })) {
      case "small":
        return dice.between(1, 5000);
      case "part":
        return Math.max(1, Math.floor(Number(free) * dice.fraction()));
      case "all":
        return Math.min(HUGE, Math.max(1, Number(free)));
      case "balance":
        return Math.min(HUGE, Math.max(1, Number(account.balance)));
      case "over":
        return Math.min(HUGE, Math.max(1, Number(free) + 1));
      case "large":
        return dice.between(3_000_000, 900_000_000);
      default:
        return HUGE;
    }
  };
  const free = (): Free => ({
    ...(dice.chance(0.2) ? { reference: `Invoice ${dice.below(1000)}` } : {}),
    ...(dice.chance(0.15) ? { metadata: { order: String(dice.below(1000)) } } : {}),
  });
  const context = (): { context?: Context } => {
    if (dice.chance(0.5)) return {};
    const where = dice.chance(0.5) ? { latitude: dice.between(-80, 80), longitude: dice.between(-170, 170) } : {};
    return {
      context: {
        ...where,
        ...(dice.chance(0.8) ? { device_id: `device-${dice.below(40)}` } : {}),
        ...(dice.chance(0.7) ? { country: dice.pick(COUNTRIES) } : {}),
        ...(dice.chance(0.5) ? { user_agent: `Wallet/${dice.below(9)}` } : {}),
      },
    };
  };
  /** What a thief would do: a large amount from a new device somewhere else. */
  const suspicious = (): { readonly amount: number; readonly context: Context } => ({
    amount: dice.between(3_000_000, 40_000_000),
    context: {
      device_id: `stolen-${dice.below(1_000_000)}`,
      country: String.fromCharCode(65 + dice.below(26), 65 + dice.below(26)),
      latitude: dice.between(-80, 80),
      longitude: dice.between(-170, 170),
      user_agent: `Tool-${String.fromCharCode(97 + dice.below(26))}`,
    },
  });
  const transfer = (): TransferBody => {
    const payer = anyAccount();
    const same = customers.filter((account) => account.currency === payer.currency && account.id !== payer.id);
    const payee = same.length > 0 && dice.chance(0.93) ? dice.pick(same) : anyAccount();
    return {
      from_account_id: unknown(payer.id),
      to_account_id: unknown(payee.id),
      amount: amountFor(payer),
      currency: dice.chance(0.97) ? payer.currency : currency,
      ...free(),
      ...context(),
      ...(dice.chance(0.12) ? suspicious() : {}),
    };
  };
  const move = () => {
    const account = anyAccount();
    return { account, body: { account_id: unknown(account.id), currency: dice.chance(0.97) ? account.currency : currency, ...free() } };
  };
  /** Something of a list, seldom somebody else's. */
  const one = <T extends { readonly tenant: string }>(list: readonly T[], prefer: (item: T) => boolean): T | undefined => {
    const owner = dice.chance(0.03) ? foreign.id : tenant.id;
    const own = list.filter((item) => item.tenant === owner);
    const preferred = dice.chance(0.92) ? own.filter(prefer) : own;
    return preferred.length > 0 ? dice.pick(preferred) : own.length > 0 ? dice.pick(own) : undefined;
  };
  const hold = () => aim ?? one(model.holds.all(), ({ status, until }) => status === "active" && until > now - dice.pick([0, 0, 5_000]));

  const kind = aim === undefined ? dice.weighted(WEIGHTS) : dice.pick(["capture", "increment", "void"] as const);
  switch (kind) {
    case "create_user":
      return { op: "create_user", name: dice.pick(NAMES) };
    case "verify": {
      // Most are lifted again, so that there is always somebody to pay.
      const status = dice.chance(0.35) ? "restricted" : "active";
      const user = one(model.users.all(), (found) => found.status !== status);
      return user === undefined ? { op: "transfer", body: transfer() } : { op: "verify", user: unknown(user.id), status };
    }
    case "open_account": {
      const user = one(model.users.all(), () => true);
      const type = dice.weighted({ checking: 6, savings: 3, fees: 2 });
      const named = user !== undefined && (type === "fees" ? dice.chance(0.1) : dice.chance(0.95));
      return {
        op: "open_account",
        body: {
          type,
          currency,
          ...(named ? { user_id: unknown(user.id) } : {}),
          ...(dice.chance(0.4) ? { overdraft_limit: dice.between(0, 100_000) } : {}),
          ...(dice.chance(0.2) ? { metadata: { branch: "north" } } : {}),
        },
      };
    }
    case "deposit": {
      const { body } = move();
      return {
        op: "deposit",
        body: { ...body, amount: dice.chance(0.02) ? HUGE : dice.between(1, dice.chance(0.2) ? 900_000_000 : 200_000) },
      };
    }
    case "withdraw": {
      const { account, body } = move();
      return { op: "withdraw", body: { ...body, amount: amountFor(account), ...context(), ...(dice.chance(0.2) ? suspicious() : {}) } };
    }
    case "transfer":
      return { op: "transfer", body: transfer() };
    case "batch": {
      const mode = dice.chance(0.5) ? "atomic" : "independent";
      const size = mode === "atomic" ? dice.between(1, 8) : dice.chance(0.2) ? dice.between(20, 60) : dice.between(1, 12);
      const small = Array.from({ length: size }, transfer).map((body) =>
        dice.chance(0.7) ? { ...body, amount: dice.between(1, 500) } : body,
      );
      return { op: "batch", body: { mode, transfers: small } };
    }
    case "authorise": {
      // Now and then on nothing but the overdraft, so that an account without balance has something reserved.
      const bare = customers.filter(({ balance, overdraft }) => balance === 0n && overdraft > 0n);
      const on = bare.length > 0 && dice.chance(0.15) ? dice.pick(bare) : undefined;
      const given =
        on === undefined ? {} : { from_account_id: on.id, currency: on.currency, amount: dice.between(1, Number(on.overdraft)) };
      return { op: "authorise", body: { ...transfer(), ...given, ...(dice.chance(0.8) ? { expires_in: dice.between(60, 900) } : {}) } };
    }
    case "increment":
    case "capture":
    case "void": {
      const found = hold();
      if (found === undefined) return { op: "transfer", body: transfer() };
      const id = unknown(found.id);
      const left = Number(found.amount - found.captured);
      const amount = dice.weighted({ all: 4, part: 6, over: 1 });
      const asked = { all: Math.max(1, left), part: dice.between(1, Math.max(1, left)), over: Math.min(HUGE, left + 1) }[amount];
      if (kind === "void") return { op: "void", hold: id };
      if (kind === "increment") return { op: "increment", hold: id, body: { amount: dice.chance(0.1) ? HUGE : dice.between(1, 3000) } };
      // Half of those that take the whole do not say how much it is.
      const named = amount === "all" && dice.chance(0.5) ? {} : { amount: asked };
      return { op: "capture", hold: id, body: { ...named, ...(dice.chance(0.3) ? { final: dice.chance(0.8) } : {}), ...free() } };
    }
    case "reverse": {
      const found = one(model.transactions.all(), ({ status, type }) => status === "posted" && type !== "reversal");
      if (found === undefined) return { op: "deposit", body: { ...move().body, amount: 500 } };
      const [whole, left] = [Number(found.amount), Number(found.amount - found.reversed)];
      const amount = { some: dice.between(1, whole), left, over: Math.min(HUGE, left + 1) }[dice.weighted({ some: 6, left: 1, over: 3 })];
      const part = dice.chance(0.6) && amount > 0 ? { amount } : {};
      return { op: "reverse", transaction: unknown(found.id), body: { ...part, ...free() } };
    }
    case "review": {
      const found = one(model.reviews.all(), ({ status }) => status === "open");
      if (found === undefined) return { op: "transfer", body: transfer() };
      return { op: "review", review: unknown(found.id), verdict: dice.chance(0.6) ? "approve" : "reject" };
    }
    case "patch": {
      const account = anyAccount();
      const body = {
        ...(dice.chance(0.6) ? { overdraft_limit: dice.chance(0.3) ? 0 : dice.between(0, 200_000) } : {}),
        ...(dice.chance(0.3) ? { metadata: dice.chance(0.5) ? null : { tier: String(dice.below(9)) } } : {}),
        interest_rate_bps: dice.below(500),
      };
      return { op: "patch", account: unknown(account.id), body, ...(dice.chance(0.3) ? { ifVersion: account.version } : {}) };
    }
    case "freeze":
      return { op: "status", account: unknown(anyAccount().id), verb: kind };
    case "close": {
      const bare = customers.filter(({ balance, status }) => balance === 0n && status !== "closed");
      const held = bare.filter((account) => reservedAt(account, now) > 0n);
      const empty = held.length > 0 ? held : bare;
      return { op: "status", account: unknown((dice.chance(0.7) && empty.length > 0 ? dice.pick(empty) : anyAccount()).id), verb: kind };
    }
    case "unfreeze": {
      const frozen = mine.filter(({ status }) => status === "frozen");
      return { op: "status", account: (frozen.length > 0 ? dice.pick(frozen) : anyAccount()).id, verb: kind };
    }
    default:
      return kind satisfies never;
  }
}
