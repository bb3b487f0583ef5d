import type { AddressInfo } from "node:net";
import type { Organisation, StartOptions, TestApp } from "./app.ts";
import { startApp } from "./app.ts";
import type { ApiObject, Answer } from "./http-client.ts";
import { ok } from "./http-client.ts";

/** Where the application of the tests has its customers sent back to. */
export const RETURN_ORIGIN = "https://app.example.com";

/** The product with its pages on the name that browsers and passkeys know this machine by. */
export async function startWithPages(options: StartOptions): Promise<TestApp & { readonly origin: string }> {
  // The port is known when the listener has one; the origins are looked at when they are needed.
  const origins: string[] = [];
  const app = await startApp({ ...options, relyingParty: { id: "localhost", name: "Test", origins } });
  const origin = `http://localhost:${(app.app.server.server.address() as AddressInfo).port}`;
  origins.push(origin);
  return { ...app, origin };
}

/** An organisation that may send its customers to the pages. */
export async function organisationWithPages(app: TestApp, settings: object = {}): Promise<Organisation> {
  const own = await app.newOrganisation();
  ok(await own.api.patch("/v1/organisation", { pages_return_origins: [RETURN_ORIGIN], pages_display_name: "Acme Bank", ...settings }), 200);
  return own;
}

export interface SessionAsked {
  readonly user_id: string;
  readonly purpose: "enrol" | "approve";
  readonly authentication_id?: string;
  readonly return_url?: string;
}

export function postSession(own: Organisation, asked: SessionAsked): Promise<Answer> {
  return own.api.post("/v1/hosted-sessions", { return_url: `${RETURN_ORIGIN}/done?order=4711`, ...asked }, { idempotencyKey: null });
}

/** A new session of a user: its id, and the link that the user opens. */
export async function newSession(own: Organisation, asked: SessionAsked): Promise<ApiObject & { readonly url: string }> {
  return ok(await postSession(own, asked), 201) as ApiObject & { readonly url: string };
}

/** How a session went, as the organisation is told. */
export async function sessionOf(own: Organisation, id: string): Promise<ApiObject> {
  return ok(await own.api.get(`/v1/hosted-sessions/${id}`), 200);
}
