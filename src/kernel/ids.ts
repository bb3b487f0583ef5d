import { hash } from "node:crypto";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** Every kind of object and the prefix its ids carry. */
export const idPrefixes = {
  organisation: "org",
  apiKey: "key",
  user: "usr",
  account: "acc",
  transaction: "txn",
  hold: "hld",
  review: "rev",
  reviewNote: "rvn",
  label: "lbl",
  event: "evt",
  request: "req",
  dataKey: "dek",
  keyRotation: "rot",
  webhookEndpoint: "whk",
  webhookDelivery: "dlv",
  ruleSet: "rul",
  ruleList: "lst",
  dryRun: "dry",
  riskModel: "mdl",
  modelTraining: "trn",
  operator: "opr",
  operatorSession: "ses",
  factor: "fac",
  authentication: "aut",
  approval: "apr",
  hostedSession: "hps",
  beneficiary: "ben",
  standingOrder: "sto",
} as const;

export type IdKind = keyof typeof idPrefixes;
/** An id of one kind: prefix, `_`, then a UUIDv7 (RFC 9562) in 26 characters of Crockford base32. */
export type Id<K extends IdKind> = string & { readonly __id: K };
export type OrganisationId = Id<"organisation">;
export type ApiKeyId = Id<"apiKey">;
export type UserId = Id<"user">;
export type AccountId = Id<"account">;
export type TransactionId = Id<"transaction">;
export type HoldId = Id<"hold">;
export type ReviewId = Id<"review">;
export type ReviewNoteId = Id<"reviewNote">;
export type EventId = Id<"event">;
export type KeyRotationId = Id<"keyRotation">;
export type WebhookEndpointId = Id<"webhookEndpoint">;
export type WebhookDeliveryId = Id<"webhookDelivery">;
export type RuleSetId = Id<"ruleSet">;
export type RuleListId = Id<"ruleList">;
export type DryRunId = Id<"dryRun">;
export type RiskModelId = Id<"riskModel">;
export type ModelTrainingId = Id<"modelTraining">;
export type OperatorId = Id<"operator">;
export type OperatorSessionId = Id<"operatorSession">;
export type FactorId = Id<"factor">;
export type AuthenticationId = Id<"authentication">;
export type ApprovalId = Id<"approval">;
export type HostedSessionId = Id<"hostedSession">;
export type BeneficiaryId = Id<"beneficiary">;
export type StandingOrderId = Id<"standingOrder">;

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** The 26 characters after the prefix; the first holds 3 bits only, hence `[0-7]`. */
const BODY = "[0-7][0-9A-HJKMNP-TV-Z]{25}";

/** The JSON Schema pattern of an id of `kind`. */
export function idPattern(kind: IdKind): string {
  return `^${idPrefixes[kind]}_${BODY}$`;
}

const compiled = new Map<IdKind, RegExp>();

/** Whether `text` is a well-formed id of `kind`. */
export function isId<K extends IdKind>(kind: K, text: unknown): text is Id<K> {
  let pattern = compiled.get(kind);
  if (pattern === undefined) {
    pattern = new RegExp(idPattern(kind));
    compiled.set(kind, pattern);
  }
  return typeof text === "string" && pattern.test(text);
}

/** Makes ids. Ids of one maker are strictly increasing, also inside one millisecond. */
export interface Ids {
  next<K extends IdKind>(kind: K): Id<K>;
}

const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, n) => (ALPHABET[n >> 5] ?? "") + (ALPHABET[n & 31] ?? ""));
const pair = (n: number): string => PAIRS[n & 1023] ?? "";

/** Characters 1-10: the 48-bit millisecond time. */
function encodeTime(ms: number): string {
  const high = Math.floor(ms / 2 ** 20);
  const low = ms % 2 ** 20;
  return pair(high >>> 20) + pair(high >>> 10) + pair(high) + pair(low >>> 10) + pair(low);
}

/**
 * UUIDv7 with RFC 9562 method 1: the 12 bits of `rand_a` are a counter that starts at a random
 * value below 2048 each millisecond; when it runs over, the id's time moves one millisecond ahead.
 */
export function createIds(clock: Clock, random: Random): Ids {
  let time = 0;
  let counter = 0;
  let timeText = "";
  return {
    next<K extends IdKind>(kind: K): Id<K> {
      const now = clock.now();
      const bytes = random.bytes(10);
      const at = (i: number): number => bytes[i] ?? 0;
      if (now > time) {
        time = now;
        timeText = encodeTime(time);
        counter = ((at(8) << 8) | at(9)) & 0x7ff;
      } else if (++counter > 0xfff) {
        time += 1;
        timeText = encodeTime(time);
        counter = ((at(8) << 8) | at(9)) & 0x7ff;
      }
      // After the time: version 7 (4 bits), counter (12), variant 0b10 (2), 62 random bits = 80 bits.
      const a = (0x7 << 16) | (counter << 4) | (0b10 << 2) | (at(0) & 0b11);
      const b = (at(1) << 12) | (at(2) << 4) | (at(3) >>> 4);
      const c = ((at(3) & 0xf) << 16) | (at(4) << 8) | at(5);
      const d = (at(6) << 12) | (at(7) << 4) | (at(8) >>> 4);
      const body = pair(a >>> 10) + pair(a) + pair(b >>> 10) + pair(b) + pair(c >>> 10) + pair(c) + pair(d >>> 10) + pair(d);
      return `${idPrefixes[kind]}_${timeText}${body}` as Id<K>;
    },
  };
}

/** The smallest id text of `kind` made at or after `ms`: a range bound for lists by time. */
export function firstIdAt(kind: IdKind, ms: number): string {
  return `${idPrefixes[kind]}_${encodeTime(ms)}`;
}

/** How many partitions one organisation's transactions and events are spread over (ADR 0003). */
export const PARTITIONS = 16;

/** Which of the `PARTITIONS` an id falls into, read from its last, random character. */
export function partitionOf(organisation: OrganisationId, id: string): string {
  return partitionName(organisation, ALPHABET.indexOf(id[id.length - 1] ?? "0") & (PARTITIONS - 1));
}

/** The name of partition `n` of an organisation. */
export function partitionName(organisation: OrganisationId, n: number): string {
  return `${organisation}#${n}`;
}

/**
 * The one id of `kind` that belongs to a parent and a name: the parent's time, then bits of a SHA-256.
 * For objects that exist once per parent and name, so that they are found without a look-up.
 */
export function derivedId<K extends IdKind>(kind: K, parent: string, name: string): Id<K> {
  const digest = hash("sha256", `${kind}\n${parent}\n${name}`, "buffer");
  let body = "";
  for (let i = 0; i < 16; i++) {
    const bits = (digest[i] ?? 0) & 31;
    // Character 11 carries version 7 in its upper four bits, character 14 the variant in its middle two.
    body += ALPHABET[i === 0 ? 0xe | (bits & 1) : i === 3 ? 0x8 | (bits & 0b10011) : bits] ?? "";
  }
  return `${idPrefixes[kind]}_${parent.slice(4, 14)}${body}` as Id<K>;
}
