import { InvariantError } from "#kernel/assert.ts";
import type { Random } from "#kernel/random.ts";
import type { CommitResult } from "../port.ts";
import { causeOf } from "./read.ts";
import { type Backoff, isMistake, isThrottle } from "./retry.ts";
import type { Reply, Wire } from "./wire.ts";

/** Carries out `TransactWriteItems` of items in DynamoDB's JSON, all or nothing. */
export type Transact = (transactItems: readonly string[]) => Promise<CommitResult>;

export interface TransactOptions {
  readonly wire: Wire;
  readonly backoff: Backoff;
  readonly random: Random;
  readonly timeoutMs: number;
}

/** Tries in all of one commit that is throttled or meets other transactions on its items. */
export const COMMIT_ATTEMPTS = 7;
/** Of these, tries that may fail on the way without an answer: connecting, a socket closed under the request, HTTP 5xx. */
const TRANSPORT_ATTEMPTS = 2;

/** What a reply means for the commit, before its earlier attempts are considered. */
type Verdict =
  | { readonly end: CommitResult }
  /** Turned away without effect; `otherwise` is the end when no attempt is left. */
  | { readonly again: "contended" | "unsent" | "ambiguous"; readonly otherwise: CommitResult };

/**
 * One `ClientRequestToken` is drawn per call and shared by its attempts, so DynamoDB carries the transaction out
 * at most once for ten minutes however often it is sent. It is random and not derived from the writes: two equal
 * commits asked for on purpose (x := 1, x := 2, x := 1 again) are different commits.
 *
 * After an attempt whose fate is not known only an acknowledgement settles the matter (the token makes it one
 * for either attempt). A refusal does not: the first attempt may be what the condition now meets, where the
 * server forgot the token. Then the result is `unknown`.
 */
export function createTransact({ wire, backoff, random, timeoutMs }: TransactOptions): Transact {
  return async (transactItems) => {
    const token = Buffer.from(random.bytes(16)).toString("hex");
    const body = `{"ClientRequestToken":"${token}","TransactItems":[${transactItems.join(",")}]}`;
    let ambiguity: CommitResult | undefined;
    let transportFailures = 0;
    for (let attempt = 1; ; attempt++) {
      const verdict = judge(await wire("TransactWriteItems", body, timeoutMs));
      if ("end" in verdict) return ambiguity !== undefined && verdict.end.outcome !== "committed" ? ambiguity : verdict.end;
      if (verdict.again === "ambiguous") ambiguity = verdict.otherwise;
      if (verdict.again !== "contended") transportFailures += 1;
      if (attempt >= COMMIT_ATTEMPTS || transportFailures >= TRANSPORT_ATTEMPTS) return ambiguity ?? verdict.otherwise;
      await backoff(attempt, 5, 400);
    }
  };
}

function judge(reply: Reply): Verdict {
  switch (reply.kind) {
    case "ok":
      return { end: { outcome: "committed" } };
    case "unsent":
      return { again: "unsent", otherwise: { outcome: "unavailable", cause: reply.cause } };
    case "lost": {
      const unknown = { outcome: "unknown", cause: reply.cause } as const;
      // After a timeout the caller has waited long enough. A socket that closed under the request is often
      // one that idled too long, and worth another try.
      return reply.late ? { end: unknown } : { again: "ambiguous", otherwise: unknown };
    }
    case "error":
      return judgeError(reply);
  }
}

function judgeError(reply: Extract<Reply, { kind: "error" }>): Verdict {
  const cause = causeOf(reply);
  if (reply.code === "TransactionCanceledException") return judgeReasons(reply.body, cause);
  if (isThrottle(reply.code)) return { again: "contended", otherwise: { outcome: "unavailable", cause } };
  if (isMistake(reply.code)) throw new InvariantError(`the commit is malformed: ${reply.code}: ${reply.message}`);
  // Our own earlier attempt is still being carried out, or the service failed at an unknown point.
  if (reply.code === "TransactionInProgressException" || reply.status >= 500) {
    return { again: "ambiguous", otherwise: { outcome: "unknown", cause } };
  }
  return { end: { outcome: "unavailable", cause } };
}

/** A cancelled transaction wrote nothing; its reasons stand in the order of the writes. */
function judgeReasons(body: unknown, cause: unknown): Verdict {
  const { CancellationReasons = [] } = body as { CancellationReasons?: readonly { Code?: string; Message?: string }[] };
  const codes = CancellationReasons.map(({ Code }) => Code ?? "None");
  const failed = codes.flatMap((code, index) => (code === "ConditionalCheckFailed" ? [index] : []));
  const contended = codes.includes("TransactionConflict");
  if (failed.length > 0) return { end: { outcome: "conflict", writes: failed, ...(contended ? { contended } : {}) } };
  const mistake = codes.findIndex(isMistake);
  if (mistake >= 0) throw new InvariantError(`write ${mistake} is malformed: ${CancellationReasons[mistake]?.Message ?? codes[mistake]}`);
  if (contended) return { again: "contended", otherwise: { outcome: "conflict", writes: [] } };
  return { again: "contended", otherwise: { outcome: "unavailable", cause } };
}
