import { apiKeys } from "#access/index.ts";
import { beneficiaries, standingOrders } from "#authentications/index.ts";
import { approvals } from "#controls/index.ts";
import { users } from "#identity/index.ts";
import { accounts, holds, transactions } from "#ledger/index.ts";
import { credentialsOf, emailClaims, operators, sessionPolicies } from "#operators/index.ts";
import { reviews } from "#payments/index.ts";
import type { ToldCollection } from "#log/index.ts";
import { companion, toldCollection } from "#log/index.ts";

/** Every collection of which the audit log is told, for whoever verifies a store. A test holds this list against the collections there are. */
export const toldCollections: readonly ToldCollection[] = [
  toldCollection(accounts),
  toldCollection(holds),
  toldCollection(transactions),
  toldCollection(reviews),
  toldCollection(users),
  toldCollection(apiKeys),
  toldCollection(operators, [
    companion(credentialsOf, { ownerOf: ({ operator_id }) => String(operator_id) }),
    companion(emailClaims, {
      ownerOf: ({ operator_id }) => String(operator_id),
      agrees: ({ of_organisation, email_index }, owner) => owner.organisation_id === of_organisation && owner.email_index === email_index,
    }),
    companion(sessionPolicies, { ownerOf: ({ of_organisation }) => String(of_organisation), toldBy: "session_policy.updated" }),
  ]),
  toldCollection(approvals),
  toldCollection(beneficiaries),
  toldCollection(standingOrders),
];
