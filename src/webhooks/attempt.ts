import type { KeyObject } from "node:crypto";
import type { Clock } from "#kernel/clock.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Vault } from "#vault/index.ts";
import type { Attempt, Delivery } from "./delivery.ts";
import { bodyOf } from "./delivery.ts";
import type { WebhookEndpoint } from "./endpoint.ts";
import { retryAfterOf } from "./schedule.ts";
import { openSecret, signatures, signingKey } from "./secret.ts";

/** What an attempt came to. */
export type Outcome =
  | {
      readonly kind: "delivered" | "failed" | "gone";
      readonly attempt: Attempt;
      /** How long the receiver wants to be left alone, ms; present only where it said so. */
      readonly retryAfterMs?: number;
    }
  /** Nothing was sent, for reasons of our own: it counts for nothing. */
  | { readonly kind: "not_sent" };

/** Reasons of the outbound client that are no fault of the endpoint. */
const OURS: ReadonlySet<string> = new Set(["busy", "closed"]);
const GONE = 410;

/** The keys that an endpoint's deliveries are signed with now: the newest first, and the one before while they overlap. */
export async function signingKeys(vault: Vault, endpoint: WebhookEndpoint, now: number): Promise<readonly KeyObject[]> {
  const { id, organisationId, secret, previousSecret, previousSecretExpiresAt } = endpoint;
  const keys = [signingKey(await openSecret(vault, organisationId, id, "secret", secret))];
  if (previousSecret !== null && previousSecretExpiresAt !== null && previousSecretExpiresAt > now)
    keys.push(signingKey(await openSecret(vault, organisationId, id, "previous_secret", previousSecret)));
  return keys;
}

/** Sends a delivery once. Never rejects. Only 2xx is success; a redirect is a failure (Standard Webhooks). */
export async function attemptDelivery(
  deps: { readonly outbound: Outbound; readonly clock: Clock },
  delivery: Delivery,
  url: string,
  keys: readonly KeyObject[],
): Promise<Outcome> {
  const { outbound, clock } = deps;
  const started = clock.now();
  const body = bodyOf(delivery);
  const seconds = Math.floor(started / 1000);
  const answer = await outbound.request({
    url,
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "SmartFinance-Webhooks/1",
      "webhook-id": delivery.event.id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": signatures(keys, delivery.event.id, seconds, body),
    },
    body,
  });
  if (!answer.ok && OURS.has(answer.reason)) return { kind: "not_sent" };
  const at = clock.now();
  // The head is the answer: nobody reads the body, so one that is larger than what is read, breaks off or never ends takes nothing from it.
  const { status, headers } = answer;
  const answered = headers === undefined ? undefined : status;
  const attempt: Attempt = {
    at,
    status: status ?? null,
    failure: answer.ok || answered !== undefined ? null : answer.reason,
    latencyMs: Math.max(0, at - started),
  };
  if (answered !== undefined && answered < 300) return { kind: "delivered", attempt };
  const retryAfterMs = answered === undefined ? undefined : retryAfterOf(answered, headers?.["retry-after"], at);
  return {
    kind: answered === GONE ? "gone" : "failed",
    attempt,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}
