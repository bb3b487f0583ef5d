import type { MovableClock, Organisation } from "../support/app.ts";
import { ok } from "../support/http-client.ts";
import { accessCases } from "./operation-cases/access.ts";
import { accountCases } from "./operation-cases/accounts.ts";
import { auditCases } from "./operation-cases/audit.ts";
import { authenticationCases, authenticationLandmarks } from "./operation-cases/authentications.ts";
import type { Landmarks, OperationCases, Request } from "./operation-cases/case.ts";
import { metadata, reads } from "./operation-cases/case.ts";
import { controlCases, controlLandmarks } from "./operation-cases/controls.ts";
import { factorCases, factorLandmarks } from "./operation-cases/factors.ts";
import { learningCases, learningLandmarks } from "./operation-cases/learning.ts";
import { operatorCases, operatorLandmarks } from "./operation-cases/operators.ts";
import { pageCases, pageLandmarks } from "./operation-cases/pages.ts";
import { paymentCases } from "./operation-cases/payments.ts";
import { openReview, reviewCases } from "./operation-cases/reviews.ts";
import { ruleCases, ruleLandmarks } from "./operation-cases/rules.ts";
import { userCases } from "./operation-cases/users.ts";
import { vaultCases, vaultLandmarks } from "./operation-cases/vault.ts";
import { webhookCases, webhookLandmarks } from "./operation-cases/webhooks.ts";

export type { Landmarks, Request } from "./operation-cases/case.ts";

/** The path of a request: an operation's, with its parameters filled in. */
export function pathOf(path: string, { id, path: more }: Pick<Request, "id" | "path">): string {
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) => (name === "id" ? id : more?.[name]) ?? "");
}

export async function makeLandmarks(organisation: Organisation, clock: MovableClock): Promise<Landmarks> {
  const { api } = organisation;
  const rev = await openReview(organisation, clock);
  const usr = await organisation.user();
  const acc = await organisation.account({ userId: usr, balance: 50_000 });
  // More than one account, transaction and hold, so that a page of one has a next one.
  const other = await organisation.account({ userId: usr, balance: 500 });
  const txn = ok(await organisation.transfer(acc, other, 100, { metadata }), 201).id;
  const body = { from_account_id: acc, to_account_id: other, amount: 10, currency: "EUR" };
  ok(await api.post("/v1/holds", body), 201);
  const hld = ok(await api.post("/v1/holds", body), 201).id;
  const key = ok(await api.post("/v1/api-keys", { name: "Landmark" }), 201).id;
  const evt = ok(await api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
  const rooms = {
    ...(await vaultLandmarks(organisation)),
    ...(await factorLandmarks(organisation, clock)),
    ...(await webhookLandmarks(organisation)),
    ...(await ruleLandmarks(organisation)),
    ...(await learningLandmarks(organisation)),
    ...(await pageLandmarks(organisation)),
    ...(await authenticationLandmarks(organisation)),
    ...(await operatorLandmarks(organisation)),
    ...(await controlLandmarks(organisation)),
  };
  return { usr, acc, txn, hld, rev, key, evt, ...rooms, org: organisation.id };
}

/** Every operation of the API, by its operationId. Each room has its cases in a file of its own. */
export const operationCases: OperationCases = {
  getHealth: reads(() => ({})),
  getReadiness: reads(() => ({})),
  ...userCases,
  ...factorCases,
  ...accessCases,
  ...accountCases,
  ...controlCases,
  ...operatorCases,
  ...pageCases,
  ...paymentCases,
  ...authenticationCases,
  ...reviewCases,
  ...webhookCases,
  ...vaultCases,
  ...ruleCases,
  ...learningCases,
  ...auditCases,
};

/** Query parameters that name things and that a case above leaves out, because they exclude the one it gives. */
export const furtherQueries: Readonly<Record<string, (landmarks: Landmarks) => Readonly<Record<string, string>>>> = {
  listTransactions: ({ usr }) => ({ user_id: usr, limit: "1" }),
};
