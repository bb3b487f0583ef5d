import assert from "node:assert/strict";
import type { MovableClock, Organisation } from "../support/app.ts";
import type { Answer, CallOptions, Client } from "../support/http-client.ts";
import { freshKey } from "../support/http-client.ts";
import type { ApiDocument, Operation } from "./document.ts";
import type { Request } from "./operation-cases.ts";
import { makeLandmarks, operationCases, pathOf } from "./operation-cases.ts";
import type { Haystack, Needle } from "./scan-needles.ts";
import { needle } from "./scan-needles.ts";

/** Personal values as no other text has them, by the name of their field. All of them are kept sealed. */
const PERSONAL: Readonly<Record<string, string>> = {
  name: "Zebulon Canary-Quagmire",
  email: "Zebulon.Canary@Quagmire.example",
  phone: "+998877665544332",
  date_of_birth: "1907-02-23",
  line1: "Canary Wharf Alley 77",
  line2: "Canary Staircase Q",
  city: "Quagmireville",
  postal_code: "ZQ-CANARY-1",
  state: "North Canaryland",
  tax_id: "TAXCANARY-550017",
  reference: "crm-canary-9921",
};
/** In every operation that takes them. */
const ANYWHERE: Readonly<Record<string, string>> = {
  device_id: "device-canary-31337",
  user_agent: "CanaryAgent/7.7 (Quagmire)",
  text: "note-canary-4711",
  note: "decision-canary-4712",
  destination: "canary.codes@quagmire.example",
  user_name: "authenticator-canary-90210",
};
const METADATA = "metadata-canary-8086";
/** The name of an API key, which is no secret: where the search does not find it, it does not look in the right place. */
export const IN_THE_OPEN = "control-value-in-the-open";

export const canaries: readonly Needle[] = [
  ...Object.entries({ ...PERSONAL, ...ANYWHERE, metadata: METADATA }).map(([name, value]) => needle(name, value)),
  needle("normalised email", (PERSONAL["email"] ?? "").toLowerCase()),
  needle("phone without plus", (PERSONAL["phone"] ?? "").slice(1)),
];

/** Puts the canaries into a good body, wherever it has a field of that name. */
function withCanaries(value: unknown, known: Readonly<Record<string, string>>): unknown {
  if (Array.isArray(value)) return value.map((item) => withCanaries(item, known));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name === "metadata") return [name, Object.fromEntries(Object.keys(inner as object).map((key) => [key, METADATA]))];
      return [name, typeof inner === "string" ? (known[name] ?? inner) : withCanaries(inner, known)];
    }),
  );
}

export interface Run {
  /** The text of every refusal. */
  readonly refusals: Haystack;
  /** Every API key that an answer showed. */
  readonly apiKeys: readonly string[];
  readonly operations: number;
}

/** Time passes by itself here. */
export const clock: MovableClock = { now: () => Date.now(), sleep: () => Promise.resolve(), advance: () => undefined };

/**
 * Calls every operation of the document with canaries in all that is personal or secret: well, again under the same
 * Idempotency-Key, and in the ways that are refused.
 */
export async function runEverything(document: ApiDocument, own: Organisation, wrongKey: string): Promise<Run> {
  const landmarks = await makeLandmarks(own, clock);
  const refusals: string[] = [];
  const apiKeys: string[] = [];
  const keep = (answer: Answer): Answer => {
    if (answer.status >= 400) refusals.push(answer.text);
    const secret: unknown = answer.body["secret"];
    if (typeof secret === "string") apiKeys.push(secret);
    return answer;
  };
  // What changes the caller's own organisation comes last.
  // What operators do in browsers is run by `runStaff`.
  const operations = document.operations
    .filter(({ isSession }) => !isSession)
    .toSorted((a, b) => Number(isOwnSetting(a)) - Number(isOwnSetting(b)));
  for (const operation of operations) {
    const facts = operationCases[operation.operationId];
    assert.ok(facts, `operation-cases has no case for ${operation.operationId}`);
    // To promote a model, or to go back from one, takes frauds that were labelled since it was made, which a run of minutes has not.
    // A further code may be sent half a minute later, and codes are known to whoever gets them.
    const cannotBe = ["promoteRiskModel", "rollBackRiskModel", "sendFactorCode", "activateCodeFactor"].includes(operation.operationId);
    const good = operation.operationId === "rollBackRiskModel" ? {} : await facts.prepare(own, landmarks, clock);
    const known = /user/i.test(operation.operationId) ? { ...PERSONAL, ...ANYWHERE } : ANYWHERE;
    const body = good.body === undefined ? undefined : (withCanaries(good.body, known) as Record<string, unknown>);
    // The server that is scanned speaks no TLS, so it binds no key to a certificate.
    if (body !== undefined) delete body["certificate_sha256"];
    const request: Request = { ...good, ...(body === undefined ? {} : { body }) };
    const idempotencyKey = operation.isIdempotent ? freshKey() : null;
    const ask = (changed: Partial<Request>, options: CallOptions = {}, text?: string) =>
      send(own.api, operation, { ...request, ...changed }, { idempotencyKey, ...options }, text).then(keep);
    const answer = await ask({});
    if (cannotBe) assert.ok(answer.status === 422 || answer.status === 409, answer.text);
    else assert.equal(answer.status, facts.status, `${operation.operationId}: ${answer.text}`);
    await ask({});
    await ask({}, { key: wrongKey, idempotencyKey: freshKey() });
    if (request.id !== undefined)
      await ask({ id: `${request.id.slice(0, -1)}${request.id.endsWith("0") ? "1" : "0"}` }, { idempotencyKey: freshKey() });
    if (operation.method === "GET") continue;
    await ask({ body: { ...body, surprise: PERSONAL } });
    await ask({ body: Object.fromEntries(Object.keys(body ?? { x: 1 }).map((name) => [name, [PERSONAL, METADATA]])) });
    await ask({}, {}, JSON.stringify(body ?? PERSONAL).slice(0, -1));
    await ask({}, {}, `${JSON.stringify(PERSONAL)}${JSON.stringify(PERSONAL)}`);
  }
  for (const [name, value] of [
    ["email", PERSONAL["email"] ?? ""],
    ["phone", PERSONAL["phone"] ?? ""],
  ] as const) {
    const found = await own.api.get(`/v1/users?${name}=${encodeURIComponent(value)}`);
    assert.ok(found.status === 200 && found.body.data.length > 0, `nobody is found by ${name}: ${found.text}`);
    keep(await own.api.get(`/v1/users?${name}=${encodeURIComponent(`${value} `)}`));
  }
  return { refusals: { where: "an answer that refuses", bytes: Buffer.from(refusals.join("\n")) }, apiKeys, operations: operations.length };
}

const isOwnSetting = ({ operationId }: Operation): boolean => operationId === "updateOrganisation";

function send(api: Client, operation: Operation, request: Request, options: CallOptions, text?: string): Promise<Answer> {
  const path = pathOf(operation.path, request);
  const query = request.query === undefined ? "" : `?${new URLSearchParams(request.query).toString()}`;
  const body = text ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
  return api.send(operation.method, path + query, body, { headers: { "x-request-id": IN_THE_OPEN }, ...options });
}
