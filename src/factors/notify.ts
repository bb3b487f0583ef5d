import type { BuiltEvent } from "#audit/index.ts";
import { isId } from "#kernel/ids.ts";
import type { OperatorId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Channel, CodeSender, Notice } from "./code-sender.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { StoredFactor } from "./factor-set.ts";
import { readSet } from "./factor-set.ts";
import { readSecrets } from "./factor-secret.ts";

/** Notices on their way at once; further ones are dropped and reported. */
const MAX_UNDER_WAY = 1_000;
/** How long is waited for a transport to take one, ms: whoever waits, such as the worker of approvals, has others to serve. */
const TAKEN_MS = 5_000;
/** Notices that a transport has neither taken nor refused, also of those that are waited for no more; further ones are reported, not sent. */
const MAX_UNANSWERED = 1_000;
/** How many each transport has. */
const unanswered = new WeakMap<CodeSender, number>();

/** Tells subjects what became of their factors, whoever did it: as the events of committed changes come by. */
export interface FactorNotices {
  /** To be called with the events of each commit. Never throws and waits for nothing. */
  onCommitted(events: readonly BuiltEvent[]): void;
  /** Resolves when all that were begun are sent or given up. */
  settle(): Promise<void>;
}

/** Which event is told, and as what. */
function noticeOf(type: string, details: JsonObject): Notice | undefined {
  if (type === "factor.added") return "factor_added";
  if (type === "factor.removed") return "factor_removed";
  if (type === "factor.reset") return "factors_reset";
  if (type === "factor.flagged") return "factor_flagged";
  if (type !== "factor.blocked") return undefined;
  return details.step === "blocked_for_good" ? "blocked_for_good" : details.step === "warned" ? "last_warning" : "blocked";
}

function subjectOf(organisationId: OrganisationId, id: unknown): Subject | undefined {
  if (isId("user", id)) return { organisationId, kind: "user", id: id satisfies UserId };
  return isId("operator", id) ? { organisationId, kind: "operator", id: id satisfies OperatorId } : undefined;
}

/** Creates the notifier. What cannot be sent is told to `onError`; it stays in the audit log. */
export function createFactorNotices(deps: Pick<FactorDeps, "store" | "vault" | "codeSender" | "contactOf" | "onError">): FactorNotices {
  const underWay = new Set<Promise<void>>();

  const send = async (subject: Subject, notice: Notice): Promise<void> => {
    await sendNotices(deps, subject, await addressesOf(deps, subject), notice);
  };

  return {
    onCommitted(events) {
      for (const { item } of events) {
        const type = String(item.event_type);
        if (!type.startsWith("factor.")) continue;
        const details = (item.details ?? {}) as JsonObject;
        const notice = noticeOf(type, details);
        const subject = subjectOf(item.organisation_id as OrganisationId, details.subject_id);
        if (notice === undefined || subject === undefined) continue;
        if (underWay.size >= MAX_UNDER_WAY) {
          deps.onError?.(new Error("too many notices are under way"), "a notice was not sent");
          continue;
        }
        const sending = send(subject, notice)
          .catch((error: unknown) => deps.onError?.(error, "a notice was not sent"))
          .finally(() => underWay.delete(sending));
        underWay.add(sending);
      }
    },
    async settle() {
      await Promise.all(underWay);
    },
  };
}

export interface Address {
  readonly channel: Channel;
  readonly to: string;
}

/**
 * Sends a notice to each address. One that takes nothing, or never answers, such as a lost telephone's, must not keep the others from it.
 * Resolves within some seconds, and never rejects.
 */
export async function sendNotices(
  { codeSender, onError }: Pick<FactorDeps, "codeSender" | "onError">,
  subject: Subject,
  addresses: readonly Address[],
  notice: Notice,
): Promise<void> {
  const send = async ({ channel, to }: Address): Promise<void> => {
    try {
      const waiting = unanswered.get(codeSender) ?? 0;
      if (waiting >= MAX_UNANSWERED) throw new Error("the transport has answered too few notices");
      const taken = codeSender.sendNotice({ subject, channel, to, notice });
      unanswered.set(codeSender, waiting + 1);
      const answered = (): unknown => unanswered.set(codeSender, (unanswered.get(codeSender) ?? 1) - 1);
      taken.then(answered, answered);
      await inTime(taken);
    } catch (error) {
      onError?.(error, "a notice was not sent");
    }
  };
  await Promise.all(addresses.map(send));
}

/** @throws Error when the transport has not taken it in time; it may still do so. */
async function inTime(taken: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the transport has not answered within ${TAKEN_MS} ms`)), TAKEN_MS);
  try {
    await Promise.race([taken, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The addresses of those factors in use that codes are sent to: once they are gone nobody else knows them. */
export async function sentAddresses(
  deps: Pick<FactorDeps, "store" | "vault">,
  { organisationId }: Subject,
  factors: readonly StoredFactor[],
): Promise<readonly Address[]> {
  const sent = factors.filter(({ type, status }) => status === "active" && (type === "email_code" || type === "sms_code"));
  const secrets = await readSecrets(
    deps,
    organisationId,
    sent.map(({ id }) => id),
  );
  return sent.flatMap(({ id, type }) => {
    const to = secrets.get(id);
    return to === undefined ? [] : [{ channel: type === "email_code" ? "email" : "sms", to }];
  });
}

/** Where a subject is reached: its own active addresses, and what else is known of it. Each once. */
export async function addressesOf(deps: Pick<FactorDeps, "store" | "vault" | "contactOf">, subject: Subject): Promise<readonly Address[]> {
  const set = await readSet(deps.store, subject);
  const sent = await sentAddresses(deps, subject, set?.factors ?? []);
  const found = new Map(sent.map(({ to, channel }) => [to, channel]));
  const contact = await deps.contactOf?.(subject);
  if (typeof contact?.email === "string") found.set(contact.email, "email");
  if (typeof contact?.phone === "string") found.set(contact.phone, "sms");
  return [...found].map(([to, channel]) => ({ channel, to }));
}
