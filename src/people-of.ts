import type { Environment, OrganisationAccess, OwnerAccess, Principal } from "#access/index.ts";
import { apiKeys, isExpired, parseAllowlist, principalOf, readKey } from "#access/index.ts";
import { personOf } from "#audit/index.ts";
import type { PeopleOf, Person } from "#controls/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { PaymentDeps } from "#payments/index.ts";
import { isOwnWord, OPERATOR_LIMITS, wordEpoch } from "#operators/index.ts";
import type { Item, Store, TableName } from "#storage/index.ts";

export interface PeopleDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly organisation: (id: OrganisationId) => Promise<OrganisationAccess | undefined>;
  /** What an operator may do now; `undefined` when there is none of this id or he is not active. */
  readonly operator: (id: OperatorId) => Promise<(OwnerAccess & { readonly organisationId: OrganisationId }) | undefined>;
  /** The active operators of an organisation. */
  readonly operatorsOf: (id: OrganisationId) => Promise<readonly Person[]>;
}

/** Pages of keys that are looked at for people. More make nobody fewer than there are. */
const MAX_PAGES = 20;
const PAGE = 100;

/**
 * Who the people behind keys and sessions are, and what each may do now: read from the store every time, so that whoever was
 * disabled a moment ago is nobody any more.
 */
export function createPeopleOf(deps: PeopleDeps): PeopleOf & { readonly reviewers: PaymentDeps["reviewers"] } {
  const { store, clock } = deps;

  const session = async (organisationId: OrganisationId, operatorId: OperatorId) => {
    const operator = await deps.operator(operatorId);
    const organisation = await deps.organisation(organisationId);
    if (operator?.organisationId !== organisationId || organisation === undefined) return undefined;
    const { scopes } = operator;
    const all = parseAllowlist(organisation.ipAllowlist);
    invariant(all.ok, `the allow-list of organisation ${organisationId} is malformed`);
    const principal: Principal = {
      ok: true,
      organisationId,
      apiKeyId: null,
      operatorId,
      personId: operatorId,
      environment: deps.environment,
      scopes,
      // As if he asked now: what he may give depends on it.
      ...OPERATOR_LIMITS,
      ipAllowlist: undefined,
      organisation: { ...organisation, ipAllowlist: all.matcher },
    };
    return { scopes, principal };
  };

  const people: PeopleOf = {
    async standing({ organisationId, apiKeyId, operatorId }, said) {
      const isOwn = async (id: OperatorId): Promise<boolean> => said === undefined || (await isOwnWord(store, id, said));
      if (isId("operator", operatorId)) return (await isOwn(operatorId)) ? session(organisationId, operatorId) : undefined;
      if (!isId("apiKey", apiKeyId)) return undefined;
      const key = await readKey(store, organisationId, apiKeyId);
      if (key === undefined || key.status !== "active" || isExpired(key, clock.now())) return undefined;
      const { ownerOperatorId: ownerId } = key;
      const owner = ownerId === undefined ? undefined : await deps.operator(ownerId);
      if (ownerId !== undefined && (owner === undefined || !(await isOwn(ownerId)))) return undefined;
      const organisation = await deps.organisation(organisationId);
      if (organisation === undefined) return undefined;
      const principal = principalOf(key, organisation, owner);
      return { scopes: principal.scopes, principal };
    },

    async wordEpoch(actor) {
      const person = personOf(actor);
      return isId("operator", person) ? wordEpoch(store, person) : null;
    },

    async people(organisationId) {
      const found = [...(await deps.operatorsOf(organisationId))];
      for await (const item of everyItem(store, apiKeys.table, "OrganisationApiKeysIndex", organisationId)) {
        const key = apiKeys.fromItem(item);
        // A key of an operator is that operator, who was counted above.
        if (key.ownerOperatorId !== undefined || key.status !== "active" || isExpired(key, clock.now())) continue;
        found.push({ personId: key.id, scopes: new Set(key.scopes) });
      }
      return found;
    },
  };
  return {
    ...people,
    reviewers: {
      wordEpoch: (actor) => people.wordEpoch(actor),
      async wordCounts(organisationId, { by, apiKeyId, at, epoch }) {
        // What an operator said through a key of his counts no more than the key: it may have been in other hands.
        const who =
          apiKeyId === null && isId("operator", by) ? { apiKeyId, operatorId: by } : { apiKeyId: apiKeyId ?? by, operatorId: null };
        const standing = await people.standing({ organisationId, ...who, ip: null, userAgent: null, requestId: null }, { at, epoch });
        return standing?.scopes.has("reviews:write") === true;
      },
    },
  };
}

async function* everyItem(store: Store, table: TableName, index: string, hash: string): AsyncGenerator<Item> {
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await store.query({
      table,
      index,
      hash,
      order: "ascending",
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* page.items;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}
