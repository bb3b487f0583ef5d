import { TOTP } from "otpauth";
import type { RoleName } from "#kernel/roles.ts";
import type { MovableClock, Organisation, TestApp } from "../support/app.ts";
import type { Answer, ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

export const PASSWORD = "plum tractor 7 hums";

/** A browser with cookies, of a page of this very origin unless told otherwise. */
export interface Browser {
  readonly cookies: Map<string, string>;
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string | undefined>>): Promise<Answer>;
  /** The same with the body's text as it is. */
  sendText(method: string, path: string, text: string | undefined, headers?: Readonly<Record<string, string | undefined>>): Promise<Answer>;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Answer>;
  patch(path: string, body?: unknown): Promise<Answer>;
  delete(path: string, body?: unknown): Promise<Answer>;
}

/** Operations that refuse an Idempotency-Key. */
const WITHOUT_KEY = /^\/v1\/operators(?:\/me\/recovery-codes|\/[^/]+\/invitation)?$/;

export function browserOf({ anonymous }: Pick<TestApp, "anonymous">, cookies = new Map<string, string>()): Browser {
  const sendText: Browser["sendText"] = async (method, path, text, headers = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await anonymous.send(method, path, text, {
      key: null,
      headers: { "sec-fetch-site": "same-origin", "user-agent": "Test browser", ...(cookie === "" ? {} : { cookie }), ...headers },
      ...(Object.hasOwn(headers, "idempotency-key") || WITHOUT_KEY.test(path) ? { idempotencyKey: null } : {}),
    });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = line.split(";");
      const at = pair.indexOf("=");
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  };
  const send: Browser["send"] = (method, path, body, headers) =>
    sendText(method, path, body === undefined ? undefined : JSON.stringify(body), headers);
  return {
    cookies,
    send,
    sendText,
    get: (path) => send("GET", path),
    post: (path, body) => send("POST", path, body),
    patch: (path, body) => send("PATCH", path, body),
    delete: (path, body) => send("DELETE", path, body),
  };
}

/** The code that an authenticator app shows now. */
export function totpCode(secret: string, clock: MovableClock): string {
  return new TOTP({ secret, algorithm: "SHA1", digits: 6, period: 30 }).generate({ timestamp: clock.now() });
}

/** Somebody of the staff who has come, with a second factor. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly browser: Browser;
  /** Of the authenticator app. */
  readonly secret: string;
}

let people = 0;

export async function invite(
  own: Organisation,
  roles: readonly RoleName[],
  more: object = {},
): Promise<ApiObject & { readonly token: string }> {
  people += 1;
  const invited = ok(
    await own.api.post(
      "/v1/operators",
      { name: "Grace Hopper", email: `grace-${people}@example.com`, roles, ...more },
      { idempotencyKey: null },
    ),
    201,
  );
  return { ...invited, token: (invited["invitation"] as { readonly token: string }).token };
}

/** Enrols an authenticator app in a browser whose session waits for the first factor. @returns its secret */
export async function enrolTotp(browser: Browser, clock: MovableClock): Promise<string> {
  const started = ok(await browser.post("/v1/operators/me/totp"), 201);
  ok(await browser.post(`/v1/operators/me/totp/${started.id}/activate`, { code: totpCode(started.secret, clock) }), 200);
  return started.secret;
}

/** Invites somebody, who accepts and enrols an authenticator app. */
export async function person(
  app: Pick<TestApp, "anonymous" | "clock">,
  own: Organisation,
  roles: readonly RoleName[],
  more: object = {},
): Promise<Person> {
  const invited = await invite(own, roles, more);
  const browser = browserOf(app);
  const session = ok(await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD }), 200);
  const secret = await enrolTotp(browser, app.clock);
  return { id: session["operator_id"] as string, email: invited["email"] as string, browser, secret };
}

/** Signs a person in with another browser: password, then a code of the next time step, so that none is used twice. */
export async function signInAgain(
  app: Pick<TestApp, "anonymous" | "clock">,
  own: Organisation,
  who: Person,
  browser = browserOf(app),
): Promise<Browser> {
  ok(await browser.post("/v1/sessions", { organisation_id: own.id, email: who.email, password: PASSWORD }), 201);
  app.clock.advance(30_000);
  ok(await browser.post("/v1/sessions/current/verify", { type: "totp", code: totpCode(who.secret, app.clock) }), 200);
  return browser;
}
