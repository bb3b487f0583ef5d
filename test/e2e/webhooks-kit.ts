import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Organisation } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import type { Received, Receiver } from "../support/webhook-receiver.ts";
import { startReceiver } from "../support/webhook-receiver.ts";

export const SECOND = 1_000;
export const HOUR = 3_600_000;
const POLLS_MAX = 800;

/** Asks until an answer is as it should be. */
export async function eventually<T>(ask: () => Promise<T>, good: (found: T) => boolean): Promise<T> {
  for (let poll = 0; ; poll++) {
    const found = await ask();
    if (good(found)) return found;
    if (poll >= POLLS_MAX) assert.fail(`it did not come to be: ${JSON.stringify(found)}`);
    await sleep(10);
  }
}

/** Makes an endpoint of an organisation. */
export async function endpoint({ api }: Organisation, url: string, more: object = {}): Promise<ApiObject> {
  return ok(await api.post("/v1/webhook-endpoints", { url, ...more }), 201);
}

/** An endpoint's deliveries. */
export const deliveries = async ({ api }: Organisation, id: string, query = ""): Promise<readonly ApiObject[]> =>
  ok(await api.get(`/v1/webhook-endpoints/${id}/deliveries?limit=100${query}`), 200).data;

/** The objects of events that were received, in their order. */
export const objects = (received: readonly Received[]): string[] => received.map(({ event }) => event.data.object);

/** Two accounts, the first of which has money. */
export async function pair(organisation: Organisation): Promise<readonly [string, string]> {
  const from = await organisation.account({ balance: 100_000 });
  return [from, await organisation.account()];
}

/** Makes receivers that are closed after each test of the suite. */
export function receiversOfSuite(): () => Promise<Receiver> {
  const receivers: Receiver[] = [];
  afterEach(async () => {
    for (const one of receivers.splice(0)) await one.close();
  });
  return async () => {
    const made = await startReceiver();
    receivers.push(made);
    return made;
  };
}
