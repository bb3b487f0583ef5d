import assert from "node:assert/strict";
import type { MovableClock, Organisation } from "../support/app.ts";
import type { Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { browserOf, invite, totpCode } from "./operators-kit.ts";
import type { Haystack, Needle } from "./scan-needles.ts";
import { needle } from "./scan-needles.ts";

const NAME = "Wilhelmina Canary-Bogside";
const EMAIL = "Wilhelmina.Canary@Bogside.example";
const PASSWORD = "canary bogside tractor 5150";

/** What an operator's sign-in, factors and mistakes leave: what must be nowhere, and the answers that refuse. */
export interface StaffRun {
  readonly needles: readonly Needle[];
  readonly refusals: Haystack;
}

/** The life of an operator with canaries in all that is personal or secret, through a browser. */
export async function runStaff(own: Organisation, anonymous: Client, clock: MovableClock): Promise<StaffRun> {
  const invited = await invite(own, ["developer"], { name: NAME, email: EMAIL });
  const browser = browserOf({ anonymous });
  const refusals: string[] = [];
  const refuse = async (path: string, body: object): Promise<void> => {
    const answer = await browser.post(path, body);
    assert.ok(answer.status >= 400, answer.text);
    refusals.push(answer.text);
  };
  await refuse("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD, surprise: PASSWORD });
  await refuse("/v1/operator-invitations/accept", { token: `${invited.token}x`, password: PASSWORD });
  ok(await browser.post("/v1/operator-invitations/accept", { token: invited.token, password: PASSWORD }), 200);
  const half = [...browser.cookies.values()];
  const totp = ok(await browser.post("/v1/operators/me/totp"), 201).secret;
  const factor = ok(await browser.get("/v1/operators/me/factors"), 200).data[0];
  assert.ok(factor);
  await refuse(`/v1/operators/me/totp/${factor.id}/activate`, { code: "000000" });
  ok(await browser.post(`/v1/operators/me/totp/${factor.id}/activate`, { code: totpCode(totp, clock) }), 200);
  const whole = [...browser.cookies.values()];
  await refuse("/v1/sessions", { organisation_id: own.id, email: EMAIL, password: `${PASSWORD}!` });
  const again = browserOf({ anonymous });
  ok(await again.post("/v1/sessions", { organisation_id: own.id, email: EMAIL, password: PASSWORD }), 201);
  const secrets = [...new Set([...half, ...whole, ...again.cookies.values()])];
  assert.ok(secrets.length >= 3, "every step gives another secret");
  return {
    needles: [
      needle("an operator's name", NAME),
      needle("an operator's e-mail", EMAIL),
      needle("an operator's normalised e-mail", EMAIL.toLowerCase()),
      needle("a password", PASSWORD),
      needle("an invitation", invited.token),
      needle("an authenticator's secret", totp),
      ...secrets.map((value) => needle("a session's or device's secret", value)),
    ],
    refusals: { where: "an answer that refuses an operator", bytes: Buffer.from(refusals.join("\n")) },
  };
}
