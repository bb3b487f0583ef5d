import type { OwnerAccess } from "#access/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Store } from "#storage/index.ts";
import type { Credentials } from "./credentials.ts";
import { credentialsKey, credentialsOf } from "./credentials.ts";
import { grantedScopes } from "./granted-scopes.ts";
import { operators, OPERATORS_TABLE } from "./operator.ts";

/** What an operator may do who owns API keys; `undefined` when there is none or he is not active: his keys let nobody in (SOX-08). */
export async function ownerAccess(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  id: OperatorId,
): Promise<(OwnerAccess & { readonly organisationId: OrganisationId }) | undefined> {
  const item = await store.get(OPERATORS_TABLE, { hash: id });
  const operator = item === undefined ? undefined : operators.fromItem(item);
  return operator?.status === "active"
    ? { organisationId: operator.organisationId, scopes: grantedScopes(operator, clock.now()) }
    : undefined;
}

/** When something was said in an operator's name. */
interface Said {
  /** Milliseconds. */
  readonly at: number;
  /** His `wordEpoch` then; `null` where nobody noted it, so that the times decide. */
  readonly epoch: number | null;
}

/** A count that is another one once an operator has come back after he was compromised: to be read before his word is noted, with it. */
export async function wordEpoch(store: Store, id: OperatorId): Promise<number | null> {
  return (await readCredentials(store, id))?.sessionEpoch ?? null;
}

/**
 * Whether what was said in an operator's name is taken for his own word: not where his factors were compromised, and he has come back only
 * later or not yet.
 */
export async function isOwnWord(store: Store, id: OperatorId, { at, epoch }: Said): Promise<boolean> {
  const compromised = (await readCredentials(store, id))?.compromised ?? null;
  if (compromised === null) return true;
  if (compromised.until === null) return false;
  return compromised.epoch === null || epoch === null ? at > compromised.until : epoch >= compromised.epoch;
}

async function readCredentials(store: Store, id: OperatorId): Promise<Credentials | undefined> {
  const item = await store.get(OPERATORS_TABLE, credentialsKey(id));
  return item === undefined ? undefined : credentialsOf.fromItem(item);
}

/** Operators of an organisation that are looked at; more make nobody fewer than there are. */
const MAX_PAGES = 20;
const PAGE = 100;

/** The active operators of an organisation whose word counts, with what each may do now: who there is for what needs a second person. */
export async function activeOperators(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  organisationId: OrganisationId,
): Promise<readonly { readonly personId: OperatorId; readonly scopes: ReadonlySet<Scope> }[]> {
  const now = clock.now();
  const found: { readonly personId: OperatorId; readonly scopes: ReadonlySet<Scope> }[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await store.query({
      table: OPERATORS_TABLE,
      index: "OrganisationOperatorsIndex",
      hash: organisationId,
      order: "ascending",
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const active = page.items.map((item) => operators.fromItem(item)).filter(({ status }) => status === "active");
    const kept = await store.getMany(active.map(({ id }) => ({ table: OPERATORS_TABLE, key: credentialsKey(id) })));
    for (const [n, operator] of active.entries()) {
      const credentials = kept[n];
      // Who was compromised and has not come back says nothing that counts.
      const absent = credentials !== undefined && credentialsOf.fromItem(credentials).compromised?.until === null;
      if (!absent) found.push({ personId: operator.id, scopes: grantedScopes(operator, now) });
    }
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  return found;
}
