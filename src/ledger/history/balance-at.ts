import type { Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Account } from "../account.ts";
import type { Store } from "#storage/index.ts";
import { headOf, seek } from "./walk.ts";

/** The balance of an account right after everything posted up to and including `at` (ms). */
export async function balanceAt(store: Store, account: Account, at: number): Promise<Minor> {
  const step = await seek(store, account.organisationId, account.id, headOf(account), (leg) => leg.at <= at);
  return step === undefined ? ZERO : step.leg.balanceAfter;
}
