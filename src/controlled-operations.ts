import type { ChangeTermsBody, OpenAccountBody } from "#accounts/index.ts";
import { changeAccountTerms, openAccountFor } from "#accounts/index.ts";
import type { AuthenticationDeps } from "#authentications/index.ts";
import { changeScaPolicy } from "#authentications/index.ts";
import { refuseAtOnce } from "#commit/index.ts";
import type { ControlledOperation, Facts, Payload } from "#controls/index.ts";
import { bodyOf, idOf, OWN_SCOPES, versionIn } from "#controls/index.ts";
import type { FactorDeps, ResetGrounds } from "#factors/index.ts";
import { refuseUserReset, resetsOf, resetUserFactors } from "#factors/index.ts";
import type { OrganisationDeps, OrganisationFields } from "#identity/index.ts";
import { changeOrganisation } from "#identity/index.ts";
import type { AccountId, ReviewId, RiskModelId, RuleSetId, UserId } from "#kernel/ids.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { LearningDeps, ModelLine, PromoteBody } from "#learning/index.ts";
import { promoteModel, readModelLine, rollBackModel } from "#learning/index.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, readAccount } from "#ledger/index.ts";
import { changeSessionPolicy } from "#operators/index.ts";
import type { DecisionBody, PaymentDeps, WithdrawalBody } from "#payments/index.ts";
import { judgeReview, readReview, withdrawal } from "#payments/index.ts";
import { checkRiskContext } from "#risk/index.ts";
import type { PolicyBody, RulesDeps } from "#rules/index.ts";
import { activateRuleSet, changePolicy, readRuleSet } from "#rules/index.ts";
import type { StaffRooms } from "./controlled-staff.ts";
import { staffOperations } from "./controlled-staff.ts";

/** The rooms whose operations are controlled, as they are put together in `app.ts`. */
export interface ControlledRooms extends StaffRooms {
  readonly accounts: Parameters<typeof changeAccountTerms>[0];
  readonly organisation: OrganisationDeps;
  readonly factors: FactorDeps;
  readonly authentications: AuthenticationDeps;
  readonly payments: PaymentDeps;
  readonly rules: RulesDeps;
  readonly learning: LearningDeps;
}

interface PinnedLine {
  readonly champion_id: ModelLine["championId"];
  readonly former_ids: ModelLine["formerIds"];
}
type SessionTerms = Parameters<typeof changeSessionPolicy>[2];
type ScaTerms = Parameters<typeof changeScaPolicy>[2];

/**
 * Every operation that an organisation can put under maker and checker, and how it is executed once it is approved: by the very
 * function that its route calls. @param rooms asked when something is executed, because the rooms are made after their guard.
 */
export function controlledOperations(rooms: () => ControlledRooms): readonly ControlledOperation[] {
  const others = [...moneyOperations(rooms), ...riskOperations(rooms), ...organisationSettings(rooms), resetOfFactors(rooms)];
  return [...others, ...staffOperations(rooms, [...others.map(({ scope }) => scope), ...OWN_SCOPES])];
}

function moneyOperations(rooms: () => ControlledRooms): readonly ControlledOperation[] {
  const overdraft = { kind: "account.overdraft", scope: "accounts:write", amounts: true } as const;
  return [
    {
      ...overdraft,
      operationId: "createAccount",
      facts(payload) {
        const { overdraft_limit: limit = 0, currency } = bodyOf<OpenAccountBody>(payload);
        return limit === 0 ? undefined : { amount: minorFromWire(limit), currency };
      },
      execute: (payload, { asked, queue }) => openAccountFor({ ...rooms().accounts, queue }, asked, bodyOf<OpenAccountBody>(payload)),
    },
    {
      ...overdraft,
      operationId: "updateAccount",
      async facts(payload, organisationId) {
        if (bodyOf<ChangeTermsBody>(payload).overdraft_limit === undefined) return undefined;
        return raisedLimit(payload, await readAccount(rooms().accounts.store, organisationId, idOf<AccountId>(payload)));
      },
      factsIn: (payload, view) => raisedLimit(payload, view.get(accounts, { hash: idOf<AccountId>(payload) })),
      execute: (payload, { asked, queue }) =>
        changeAccountTerms(
          { ...rooms().accounts, queue },
          asked,
          idOf<AccountId>(payload),
          bodyOf<ChangeTermsBody>(payload),
          versionIn(payload),
        ),
    },
    {
      operationId: "createWithdrawal",
      kind: "withdrawal",
      scope: "withdrawals:write",
      amounts: true,
      async facts(payload, organisationId) {
        const { amount, currency, account_id: id } = bodyOf<WithdrawalBody>(payload);
        if (unsoundContext(payload) !== undefined) return undefined;
        const account = await readAccount(rooms().payments.store, organisationId, id);
        // What can never be done is refused by its own operation, and nobody is asked for it.
        return account === undefined || account.currency !== currency ? undefined : { amount: minorFromWire(amount), currency };
      },
      async execute(payload, { asked, queue }) {
        const unsound = unsoundContext(payload);
        if (unsound !== undefined) return refuseAtOnce(unsound, asked.actor.requestId);
        return withdrawal({ ...rooms().payments, queue }, asked, bodyOf<WithdrawalBody>(payload));
      },
    },
    {
      operationId: "approveReview",
      kind: "review.approval",
      scope: "reviews:write",
      amounts: true,
      async facts(payload, organisationId) {
        const review = await readReview(rooms().payments.store, organisationId, idOf<ReviewId>(payload));
        return review && { amount: review.amount, currency: review.currency };
      },
      execute: (payload, { asked, queue }) =>
        judgeReview(rooms().payments, asked, idOf<ReviewId>(payload), "approve", bodyOf<DecisionBody>(payload), queue),
    },
  ];
}

/** What the route of withdrawals refuses beside its schema: an amendment comes by no such route. */
function unsoundContext(payload: Payload): Refusal | undefined {
  return checkRiskContext(bodyOf<WithdrawalBody>(payload).context ?? {});
}

/** What a change of an account's terms lends more than the account has. */
function raisedLimit(payload: Payload, account: Account | undefined): Facts | undefined {
  const { overdraft_limit: limit } = bodyOf<ChangeTermsBody>(payload);
  // Whoever lowers a limit lends nothing.
  if (limit === undefined || account === undefined || minorFromWire(limit) <= account.overdraftLimit) return undefined;
  return { amount: minorFromWire(limit), currency: account.currency };
}

function riskOperations(rooms: () => ControlledRooms): readonly ControlledOperation[] {
  const always = (): object => ({});
  const rules = { kind: "risk_rules", scope: "rules:activate" } as const;
  const models = { kind: "risk_model", scope: "models:promote" } as const;
  return [
    {
      ...rules,
      operationId: "activateRuleSet",
      facts: always,
      // A draft can be edited while its activation waits: the one that was there is meant.
      async pin(payload, organisationId) {
        const set = payload.if_match === null && (await readRuleSet(rooms().rules.store, organisationId, idOf<RuleSetId>(payload)));
        return set ? { ...payload, if_match: `"${set.version}"` } : payload;
      },
      execute: (payload, { asked, queue }) =>
        activateRuleSet({ ...rooms().rules, queue }, asked, idOf<RuleSetId>(payload), versionIn(payload)),
    },
    {
      ...rules,
      operationId: "updateRiskPolicy",
      facts: always,
      execute: (payload, { asked, queue }) =>
        changePolicy({ ...rooms().rules, queue }, asked, bodyOf<PolicyBody>(payload), versionIn(payload)),
    },
    {
      ...models,
      operationId: "promoteRiskModel",
      facts: always,
      execute: (payload, { asked, queue }) =>
        promoteModel({ ...rooms().learning, queue }, asked, idOf<RiskModelId>(payload), bodyOf<PromoteBody>(payload)),
    },
    {
      ...models,
      operationId: "rollBackRiskModel",
      facts: always,
      // Another model can be promoted while it waits: the one that decided is meant, and what it goes back to.
      async pin(payload, organisationId) {
        const { championId, formerIds } = await readModelLine(rooms().learning, organisationId);
        return { ...payload, body: { champion_id: championId, former_ids: formerIds } };
      },
      execute: (payload, { asked, queue }) => rollBackModel({ ...rooms().learning, queue }, asked, lineOf(payload)),
    },
  ];
}

/** The line of models that a rollback was asked for over; `undefined` where that was before it was kept. */
function lineOf(payload: Payload): ModelLine | undefined {
  const { champion_id: championId, former_ids: formerIds } = bodyOf<Partial<PinnedLine>>(payload);
  return championId === undefined || formerIds === undefined ? undefined : { championId, formerIds };
}

/** Whoever does it and enrols the next factor is the customer: it is never for one person. */
function resetOfFactors(rooms: () => ControlledRooms): ControlledOperation {
  return {
    operationId: "resetFactors",
    kind: "factor_reset",
    scope: "factors:reset",
    always: true,
    facts: async (payload, organisationId) => (await refuseUserReset(rooms().factors, organisationId, idOf<UserId>(payload))) ?? {},
    countOf: (payload, organisationId) => resetsOf(rooms().factors.store, { organisationId, kind: "user", id: idOf<UserId>(payload) }),
    execute: (payload, { asked, queue, requestedAt, requestedCount }) =>
      resetUserFactors({ ...rooms().factors, queue }, asked, idOf<UserId>(payload), {
        ...bodyOf<ResetGrounds>(payload),
        requested: { at: requestedAt, resets: requestedCount },
      }),
  };
}

function organisationSettings(rooms: () => ControlledRooms): readonly ControlledOperation[] {
  const kind = { kind: "organisation", scope: "organisation:write" } as const;
  return [
    {
      ...kind,
      operationId: "updateOrganisation",
      facts(payload) {
        const { name: _name, ...terms } = bodyOf<OrganisationFields>(payload);
        return Object.keys(terms).length === 0 ? undefined : {};
      },
      execute: (payload, { asked, queue }) =>
        changeOrganisation({ ...rooms().organisation, queue }, asked, bodyOf<OrganisationFields>(payload), versionIn(payload)),
    },
    {
      ...kind,
      operationId: "updateSessionPolicy",
      facts: () => ({}),
      execute: (payload, { asked, queue }) =>
        changeSessionPolicy({ ...rooms().operators, queue }, asked, bodyOf<SessionTerms>(payload), versionIn(payload)),
    },
    {
      ...kind,
      operationId: "updateScaPolicy",
      facts: () => ({}),
      execute: (payload, { asked, queue }) =>
        changeScaPolicy({ ...rooms().authentications, queue }, asked, bodyOf<ScaTerms>(payload), versionIn(payload)),
    },
  ];
}
