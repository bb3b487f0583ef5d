import assert from "node:assert/strict";
import type { MovableClock, Organisation } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

/** Where the customer of these tests lives. */
export const berlin = { device_id: "phone-1", latitude: 52.52, longitude: 13.405, country: "DE", user_agent: "Mozilla/5.0 Firefox/140.0" };
/** Another device, ten thousand kilometres away a moment later. */
export const saoPaulo = { device_id: "phone-2", latitude: -23.55, longitude: -46.633, country: "BR", user_agent: "curl/8.0" };

export const HOUR_MS = 3_600_000;
/** Far beyond what the customer pays otherwise, minor units. */
export const SUSPICIOUS_AMOUNT = 5_000_000;

export interface Suspect {
  readonly userId: string;
  readonly payer: string;
  readonly payee: string;
  /** What the payer has left, minor units. */
  readonly balance: number;
  /** A payment that scores above 0.8, as the body of POST /v1/transfers. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly pay: () => Promise<Answer>;
}

const FUNDS = 100_000_000;
const EVERYDAY = 2_500;

/**
 * A customer with a history of more than a day and ten payments within the last minutes: everything that is
 * paid from elsewhere now, for half an hour, waits for a reviewer. Moves the clock on by 25 hours.
 */
export async function suspect(organisation: Organisation, clock: MovableClock): Promise<Suspect> {
  const { api } = organisation;
  const userId = await organisation.user();
  const payer = await organisation.account({ userId, balance: FUNDS });
  const payee = await organisation.account();
  ok(await organisation.transfer(payer, payee, EVERYDAY, { context: berlin }), 201);
  clock.advance(25 * HOUR_MS);
  const usual = { from_account_id: payer, to_account_id: payee, amount: EVERYDAY, currency: "EUR", context: berlin };
  const burst = ok(await api.post("/v1/transfers/batch", { mode: "independent", transfers: Array.from({ length: 10 }, () => usual) }), 200);
  for (const result of burst.results) assert.equal(result.status, 201);
  const body = { ...usual, amount: SUSPICIOUS_AMOUNT, context: saoPaulo };
  return { userId, payer, payee, balance: FUNDS - 11 * EVERYDAY, body, pay: () => api.post("/v1/transfers", body) };
}
