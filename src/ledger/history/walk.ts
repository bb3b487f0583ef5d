import { invariant } from "#kernel/assert.ts";
import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import type { Account } from "../account.ts";
import type { LinkAddress } from "../chain.ts";
import { stepsBack } from "../chain.ts";
import type { Leg, Transaction } from "../transaction.ts";
import type { Store } from "#storage/index.ts";
import { readTransaction } from "../read.ts";

/** One link of an account's history: the transaction, and this account's leg in it. */
export interface Step {
  readonly transaction: Transaction;
  readonly leg: Leg;
}

/** The most links one seek reads; a chain of 16^6 links needs at most about 180. */
const MAX_SEEK = 400;

/** The newest link of an account. */
export function headOf(account: Account): LinkAddress | undefined {
  const { length, last } = account.chain;
  return last === null ? undefined : { number: length, transaction: last };
}

/** Reads the link at an address. A chain never points at something that is not there. */
export async function readStep(store: Store, organisationId: OrganisationId, accountId: AccountId, address: LinkAddress): Promise<Step> {
  const transaction = await readTransaction(store, organisationId, address.transaction);
  invariant(transaction !== undefined, `chain of ${accountId} points at a missing transaction`);
  const leg = transaction.legs.find((candidate) => candidate.accountId === accountId && candidate.link.number === address.number);
  invariant(leg !== undefined, `chain of ${accountId} points at a missing leg`);
  return { transaction, leg };
}

/** The address one link further back. */
export function before(step: Step): LinkAddress | undefined {
  const { previous, number } = step.leg.link;
  return previous === null ? undefined : { number: number - 1, transaction: previous };
}

/**
 * The newest link for which `holds` is true, walking back by the longest steps that do not overshoot.
 * `holds` must be monotone: once true, true for every older link.
 */
export async function seek(
  store: Store,
  organisationId: OrganisationId,
  accountId: AccountId,
  head: LinkAddress | undefined,
  holds: (leg: Leg) => boolean,
): Promise<Step | undefined> {
  if (head === undefined) return undefined;
  let here = await readStep(store, organisationId, accountId, head);
  if (holds(here.leg)) return here;
  for (let reads = 1; reads < MAX_SEEK; reads++) {
    // Among the links this one points to: the farthest that is still too new; else the nearest, which holds.
    let nearest: Step | undefined;
    let moved = false;
    for (const address of stepsBack(here.leg.link)) {
      nearest = await readStep(store, organisationId, accountId, address);
      if (!holds(nearest.leg)) {
        here = nearest;
        moved = true;
        break;
      }
    }
    if (!moved) return nearest;
  }
  invariant(false, `the chain of ${accountId} is longer than a seek may be`);
}
