import assert from "node:assert/strict";
import type { Scope } from "#kernel/scopes.ts";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

/** A further person of an organisation: a key of its own. */
export interface Colleague {
  readonly api: Client;
  readonly keyId: string;
}

export async function colleague(own: Organisation, name: string, scopes?: readonly Scope[]): Promise<Colleague> {
  const made = ok(await own.api.post("/v1/api-keys", { name, ...(scopes === undefined ? {} : { scopes }) }), 201);
  return { api: own.api.as(made.secret), keyId: made.id };
}

export interface Control {
  readonly kind: string;
  readonly approvals?: number;
  readonly above_amount?: readonly { readonly currency: string; readonly amount: number }[];
}

const put = (api: Client, path: string, body: object): Promise<Answer> => api.send("PUT", path, JSON.stringify(body));

export function setPolicy(api: Client, controls: readonly Control[], more: object = {}): Promise<Answer> {
  const all = controls.map(({ approvals = 1, ...control }) => ({ ...control, approvals }));
  return put(api, "/v1/control-policy", { controls: all, ...more });
}

/** Approves what is asked for as it stands now. */
export async function approve(api: Client, id: string, reason?: string): Promise<Answer> {
  const { payload_hash } = ok(await api.get(`/v1/approvals/${id}`), 200);
  return api.post(`/v1/approvals/${id}/approve`, { payload_hash, ...(reason === undefined ? {} : { reason }) }, { idempotencyKey: null });
}

export const act = (api: Client, id: string, verb: string, body?: object): Promise<Answer> =>
  api.post(`/v1/approvals/${id}/${verb}`, body, { idempotencyKey: null });

/** The approval that an answer says is needed. */
export function waiting(answer: Answer): ApiObject {
  const approval = ok(answer, 202);
  assert.deepEqual([approval.object, approval.status], ["approval", "pending"], answer.text);
  return approval;
}
