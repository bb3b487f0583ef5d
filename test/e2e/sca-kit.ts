import type { JsonObject } from "#kernel/json.ts";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { Knobs, SoftwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { berlin } from "./suspicious.ts";

/** A customer with an account, money, a payee, and a passkey. */
export interface Payer {
  readonly own: Organisation;
  readonly userId: string;
  readonly account: string;
  /** Another person's account. */
  readonly payee: string;
  readonly device: SoftwareAuthenticator;
  /** POST /v1/transfers from the account to the payee, in EUR. */
  pay(amount: number, more?: object): Promise<Answer>;
  /** The body of such a transfer, as it is approved before. */
  payment(amount: number, more?: object): Record<string, unknown>;
  /** POST /v1/authentications for this user. */
  ask(body: object): Promise<Answer>;
  /** POST /v1/authentications/{id}/verify with the passkey. */
  answer(authentication: ApiObject, knobs?: Knobs): Promise<Answer>;
  /** Asks and answers; the id of an authentication that succeeded. */
  approve(body: object): Promise<string>;
}

export const BALANCE = 100_000_000;

/** Registers a passkey of a user over the API. */
export async function registerPasskey({ api }: Organisation, userId: string): Promise<SoftwareAuthenticator> {
  const device = softwareAuthenticator();
  const options = ok(await api.post(`/v1/users/${userId}/passkeys/options`, {}), 201)["public_key"] as JsonObject;
  ok(await api.post(`/v1/users/${userId}/passkeys`, { response: device.create(options) }), 201);
  return device;
}

export async function payerOf(own: Organisation): Promise<Payer> {
  const userId = await own.user();
  const account = await own.account({ userId, balance: BALANCE });
  const payee = await own.account();
  const device = await registerPasskey(own, userId);
  const payer: Payer = {
    own,
    userId,
    account,
    payee,
    device,
    pay: (amount, more = {}) => own.transfer(account, payee, amount, { context: berlin, ...more }),
    payment: (amount, more = {}) => ({ from_account_id: account, to_account_id: payee, amount, currency: "EUR", ...more }),
    ask: (body) => own.api.post("/v1/authentications", { user_id: userId, ...body }),
    answer: (authentication, knobs) =>
      own.api.post(`/v1/authentications/${authentication.id}/verify`, { proofs: [proofOf(device, authentication, knobs)] }),
    async approve(body) {
      const asked = ok(await payer.ask(body), 201);
      ok(await payer.answer(asked), 200);
      return asked.id;
    },
  };
  return payer;
}

/** The passkey's answer to an authentication. */
export function proofOf(device: SoftwareAuthenticator, authentication: ApiObject, knobs: Knobs = {}): JsonObject {
  return { type: "passkey", response: device.get(authentication["passkey_options"] as JsonObject, knobs) };
}

/** Sets the policy of an organisation; what is left out is off. */
export async function setPolicy({ api }: Organisation, policy: object): Promise<ApiObject> {
  return ok(await api.send("PUT", "/v1/sca/policy", JSON.stringify(policy)), 200);
}

/** Has every payment challenged, whatever its score. */
export async function challengeAll({ api }: Organisation): Promise<void> {
  ok(await api.send("PUT", "/v1/risk/policy", JSON.stringify({ challenge_above: 0, review_above: 0.8 })), 200);
}

export const statusOf = async ({ api }: Organisation, id: string): Promise<unknown> =>
  ok(await api.get(`/v1/transactions/${id}`), 200).status;

/** Balance and held funds. */
export async function figures({ api }: Organisation, account: string): Promise<number[]> {
  const { balance, held } = ok(await api.get(`/v1/accounts/${account}`), 200);
  return [balance, held];
}
