import type { EventDraft } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { ApiKeyId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import { parseTimestamp } from "#kernel/clock.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { orderedScopes, presentApiKey } from "./api-key.ts";
import type { AccessDeps } from "./api-keys.ts";
import { apiKeys, readKey } from "./api-keys.ts";
import type { Principal } from "./authenticate.ts";
import { changeApiKey } from "./change-api-key.ts";
import { parseAllowlist } from "./ip-allowlist.ts";
import { issueApiKey } from "./issue-api-key.ts";
import { mintApiKey } from "./key-text.ts";
import { refuseBeyond, refuseFaster } from "./permissions.ts";
import { revokeApiKey } from "./revoke-api-key.ts";
import { rotateApiKey } from "./rotate-api-key.ts";

/** What a key was before, when it is told as changed. */
type Details = NonNullable<EventDraft["details"]>;

export interface KeyFields {
  readonly name?: string;
  readonly scopes?: readonly Scope[];
  readonly rate_limit_per_minute?: number;
  readonly ip_allowlist?: readonly string[];
  readonly certificate_sha256?: string | null;
  readonly expires_at?: string | null;
}

/** The end of a key in milliseconds, `null` for never, or why not. */
function endOf(text: string | null | undefined, now: number): { readonly ok: true; readonly at: number | null | undefined } | Refusal {
  if (text === undefined || text === null) return { ok: true, at: text };
  const at = parseTimestamp(text);
  if (Number.isNaN(at)) return refuse("invalid_request", "expires_at", "There is no such time.");
  return at > now ? { ok: true, at } : refuse("invalid_request", "expires_at", "The time has passed.");
}

/** A fingerprint as it is kept and compared, whatever way it was written. */
const thumbprintOf = (text: string): string => text.replaceAll(":", "").toLowerCase();

/** A key bound to a certificate that this server never asks for would be good for nothing. */
function refuseBound(deps: AccessDeps, certificate: string | null | undefined): Refusal | undefined {
  if (certificate === undefined || certificate === null || deps.clientCertificates === true) return undefined;
  const detail = "This server asks for no client certificates (SMARTFINANCE_TLS_CLIENT_CA_FILE), so the key could never be used.";
  return refuse("invalid_request", "certificate_sha256", detail);
}

/** POST /v1/api-keys. The answer is the only place the key's text ever appears: it is not stored. */
export async function createKey(
  deps: AccessDeps,
  asked: Asked,
  by: Principal,
  body: KeyFields & { readonly name: string },
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const scopes = body.scopes ?? orderedScopes(by.scopes);
  const beyond =
    refuseBeyond(by, scopes, "scopes") ?? refuseFaster(by, body.rate_limit_per_minute ?? 1) ?? refuseBound(deps, body.certificate_sha256);
  if (beyond !== undefined) return refuseAtOnce(beyond, requestId);
  const allowlist = parseAllowlist(body.ip_allowlist ?? []);
  if (!allowlist.ok) return refuseAtOnce(allowlist, requestId);
  const end = endOf(body.expires_at, deps.clock.now());
  if (!end.ok) return refuseAtOnce(end, requestId);
  const { record, text } = issueApiKey(deps, {
    organisationId,
    name: body.name,
    environment: by.environment,
    scopes,
    ipAllowlist: allowlist.entries,
    rateLimitPerMinute: body.rate_limit_per_minute ?? by.organisation.keyRateLimitPerMinute,
    ...(typeof body.certificate_sha256 === "string" ? { certificateSha256: thumbprintOf(body.certificate_sha256) } : {}),
    ...(typeof end.at === "number" ? { expiresAt: end.at } : {}),
    // Also where a key of his makes it: it must not outlive him either.
    ...(isId("operator", by.personId) ? { ownerOperatorId: by.personId } : {}),
  });
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [],
    decide(view, at) {
      const work = workOn(view);
      work.put(apiKeys, record);
      work.tell({ id: eventId, type: "api_key.created", objectId: record.id, details: detailsOf(record) });
      return work.outcome(replied(201, { ...presentApiKey(record, at), secret: null }));
    },
  });
  return withSecret(executed, text);
}

/** PATCH /v1/api-keys/{id}. */
export async function changeKey(
  deps: AccessDeps,
  asked: Asked,
  by: Principal,
  id: ApiKeyId,
  body: KeyFields,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { requestId } = asked.actor;
  const bound = refuseBound(deps, body.certificate_sha256);
  if (bound !== undefined) return refuseAtOnce(bound, requestId);
  const allowlist = body.ip_allowlist === undefined ? undefined : parseAllowlist(body.ip_allowlist);
  if (allowlist?.ok === false) return refuseAtOnce(allowlist, requestId);
  const end = endOf(body.expires_at, deps.clock.now());
  if (!end.ok) return refuseAtOnce(end, requestId);
  const change = {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.scopes === undefined ? {} : { scopes: body.scopes }),
    ...(body.rate_limit_per_minute === undefined ? {} : { rateLimitPerMinute: body.rate_limit_per_minute }),
    ...(allowlist === undefined ? {} : { allowlist }),
    ...(body.certificate_sha256 === undefined
      ? {}
      : { certificateSha256: body.certificate_sha256 === null ? null : thumbprintOf(body.certificate_sha256) }),
    ...(end.at === undefined ? {} : { expiresAt: end.at }),
  };
  return onKey(deps, asked, id, "api_key.updated", (record, at) => {
    if (ifVersion !== undefined && ifVersion !== record.version)
      return refuse("version_conflict", undefined, `The current version is ${record.version}.`);
    const decision = changeApiKey(record, by, change, asked.actor.ip ?? "", at);
    return decision.ok ? { ...decision, details: { before: detailsOf(record), after: detailsOf(decision.record) } } : decision;
  });
}

/**
 * POST /v1/api-keys/{id}/rotate. The new secret appears in this answer only.
 * @param refuseIf what else may be against it
 */
export async function rotateKey(
  deps: AccessDeps,
  asked: Asked,
  by: Principal,
  id: ApiKeyId,
  overlapSeconds: number,
  refuseIf?: (record: ApiKeyRecord) => Refusal | undefined,
): Promise<Executed> {
  const found = await readKey(deps.store, asked.actor.organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), asked.actor.requestId);
  const { text, secretHash } = mintApiKey({ id, environment: found.environment, random: deps.random });
  const executed = await onKey(deps, asked, id, "api_key.rotated", (record, at) => {
    const decision = refuseIf?.(record) ?? rotateApiKey(record, by, { secretHash, overlapSeconds }, at);
    return decision.ok ? { ...decision, details: { overlap_seconds: overlapSeconds } } : decision;
  });
  return withSecret(executed, text);
}

/** POST /v1/api-keys/{id}/revoke. */
export function revokeKey(deps: AccessDeps, asked: Asked, by: Principal, id: ApiKeyId): Promise<Executed> {
  return onKey(deps, asked, id, "api_key.revoked", (record, at) => revokeApiKey(record, by.apiKeyId, at));
}

type Decision = { readonly ok: true; readonly record: ApiKeyRecord; readonly details?: Details } | Refusal;

/** Runs one decision on one key of the caller's organisation, and has this process forget what it knew of the key. */
async function onKey(
  deps: AccessDeps,
  asked: Asked,
  id: ApiKeyId,
  type: EventDraft["type"],
  decide: (record: ApiKeyRecord, at: number) => Decision,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readKey(deps.store, organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  const uses = await deps.uses.read([id]);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [{ collection: apiKeys, key: { hash: id }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const record = work.get(apiKeys, { hash: id });
      if (record === undefined) return refused(refuse("not_found"), requestId);
      const decision = decide(record, at);
      if (!decision.ok) return refused(decision, requestId);
      work.put(apiKeys, decision.record);
      work.tell({ id: eventId, type, objectId: id, details: decision.details });
      return work.outcome(replied(200, { ...presentApiKey(decision.record, at, uses.get(id)) }));
    },
  });
  deps.authenticator.forget(id);
  return executed;
}

/** What is told of a key in the audit log: what it may do and from where. */
function detailsOf(record: ApiKeyRecord): Details {
  return {
    scopes: record.scopes,
    rate_limit_per_minute: record.rateLimitPerMinute,
    ip_allowlist: record.ipAllowlist,
    certificate_sha256: record.certificateSha256 ?? null,
    expires_at: record.expiresAt ?? null,
    ...(record.ownerOperatorId === undefined ? {} : { owner_operator_id: record.ownerOperatorId }),
  };
}

/** Puts the key's text into the answer of a success, after it was kept without. */
function withSecret(executed: Executed, secret: string): Executed {
  if (!executed.ok || executed.replayed || executed.reply.status >= 300) return executed;
  const { reply } = executed;
  return { ...executed, reply: replied(reply.status, { ...(JSON.parse(reply.body) as object), secret }) };
}
