import type { OwnerAccess } from "#access/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Store } from "#storage/index.ts";
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

/**
 * Whether what was said in an operator's name at `at` (ms) is taken for his own word: not where his factors were compromised, and he has
 * come back only later or not yet.
 */
export async function isOwnWord(store: Store, id: OperatorId, at: number): Promise<boolean> {
  const item = await store.get(OPERATORS_TABLE, credentialsKey(id));
  const compromised = item === undefined ? null : credentialsOf.fromItem(item).compromised;
  return compromised === null || (compromised.until !== null && at > compromised.until);
}

/** Operators of an organisation that are looked at; more make nobody fewer than there are. */
const MAX_PAGES = 20;
const PAGE = 100;

/** The active operators of an organisation, with what each may do now: who there is for what needs a second person. */
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
    for (const item of page.items) {
      const operator = operators.fromItem(item);
      if (operator.status === "active") found.push({ personId: operator.id, scopes: grantedScopes(operator, now) });
    }
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  return found;
}
