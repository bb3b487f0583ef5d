import { isDeepStrictEqual } from "node:util";
import type { Item, Write } from "#storage/port.ts";
import { type BatchContext, followAtomic, followIndependent } from "./batch-check.ts";
import { perform, performDecline } from "./effects.ts";
import { performExpiry } from "./hold-effects.ts";
import { checksumOf, claimOf, type KeptReply, mismatch, OF_ITSELF, type Segment, segmentsOf } from "./journal.ts";
import type { KeptBodies } from "./kept-body.ts";
import type { Model, ModelView } from "./model.ts";
import type { AppliedCommit } from "./observed-database.ts";
import { type Command, describe } from "./operations.ts";
import { judge, shownVerdict, type Verdict } from "./rules.ts";
import type { ExpectedEvent, Scene } from "./scene.ts";
import type { Expected } from "./shown.ts";
import { compareShown, expectedAccount, expectedHold, expectedReview, expectedTransaction, expectedUser } from "./shown.ts";
import { checkState, checkZeroSum } from "./state-check.ts";

/** Follows every commit with the model, in the order in which they happen. */
export interface CommitChecker {
  /** A client is about to send this for the first time. */
  announce(command: Command): void;
  /** A request without Idempotency-Key is under way, under this mark. */
  announceAttempt(command: Command): void;
  follow(commit: AppliedCommit): void;
  /** What is kept for a command: one reply, or one per chunk of an independent batch. */
  kept(command: Command): readonly KeptReply[];
  keptOther(command: Command): boolean;
  /** Every event so far, in the order of the commits. */
  readonly events: readonly Item[];
  /** The replies that requests without a key have to be given, by request id. */
  readonly unkeyed: ReadonlyMap<string, Expected>;
  readonly requestIds: ReadonlySet<string>;
  readonly commits: number;
  readonly history: readonly (readonly Write[])[];
  /** How often each kind of thing was seen. */
  readonly counts: ReadonlyMap<string, number>;
  count(what: string): void;
}

export function createCommitChecker(model: Model, bodies: KeptBodies): CommitChecker {
  const claims = new Map<string, Map<string, Command>>();
  const attempts: Command[] = [];
  const kept = new Map<string, Map<number, KeptReply>>();
  const owners = new Map<string, string>();
  const events: Item[] = [];
  const eventIds = new Set<string>();
  const unkeyed = new Map<string, Expected>();
  const requestIds = new Set<string>();
  const history: (readonly Write[])[] = [];
  const counts = new Map<string, number>();
  let commits = 0;

  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

  const batches: BatchContext = { model, window, count };

  function follow({ writes, before }: AppliedCommit): void {
    commits += 1;
    history.push(writes);
    const tables = new Set(writes.map(({ table }) => table));
    bodies.learn(writes);
    // Data keys are the vault's own business, apart from any command.
    if (tables.has("smartfinance-data-keys")) {
      if (tables.size !== 1) mismatch("a commit mixes data keys and other things", ["smartfinance-data-keys"], [...tables]);
      return;
    }
    checkZeroSum(writes, before);
    for (const segment of segmentsOf(writes)) followSegment(segment);
    checkState(model, commits, owners, writes);
  }

  function followSegment({ events: told, reply }: Segment): void {
    const first = told[0];
    if (
      reply === undefined &&
      first !== undefined &&
      (first.event_type === "organisation.created" || first.event_type === "api_key.created")
    ) {
      for (const event of told) keepEvent(event);
      return;
    }
    if (reply === undefined && first?.event_type === OF_ITSELF) {
      followExpiry(first);
      return;
    }
    const at = reply === undefined ? Date.parse(String(first?.timestamp)) : Number(reply.created_at);
    const command = reply === undefined ? unkeyedCommand(first) : keyedCommand(reply);
    const tenant = command.tenant.id;
    const scene: Scene = { model, tenant, commit: commits, at, events: [], problems: [] };
    if (reply === undefined) {
      followUnkeyed(scene, command, String(first?.request_id));
    } else {
      const [id = "", chunk] = String(reply.id).split(".");
      const start = Number(chunk ?? 0);
      const byStart = kept.get(id) ?? new Map<number, KeptReply>();
      if (byStart.has(start) || reply.version !== 1) mismatch(`one key, two effects: ${describe(command)}`, undefined, reply);
      const body = bodies.of(reply);
      byStart.set(start, { command, status: Number(reply.status), body, commit: commits });
      kept.set(id, byStart);
      if (reply.organisation_id !== tenant) mismatch("a reply is kept for another organisation", tenant, reply.organisation_id);
      followKeyed(scene, command, Number(reply.status), body, start);
    }
    if (scene.problems.length > 0) mismatch(`${describe(command)}: ${scene.problems.join("; ")}`);
    checkEvents(command, scene, told);
  }

  /** A review has expired: nobody asked for it, so no command, key or address is behind it. */
  function followExpiry(event: Item): void {
    const tenant = String(event.organisation_id);
    const scene: Scene = { model, tenant, commit: commits, at: Date.parse(String(event.timestamp)), events: [], problems: [] };
    performExpiry(scene, String(event.object_id));
    if (scene.problems.length > 0) mismatch(scene.problems.join("; "));
    const [expected] = scene.events;
    if (expected === undefined || !matches(expected, event)) mismatch("an expired review's event is not what happened", expected, event);
    if (event.api_key_id !== null || event.request_id !== null || event.ip_address !== null)
      mismatch("somebody is said to have let a review expire", null, event);
    keepEvent(event);
    count("review expired");
  }

  function keyedCommand(reply: Item): Command {
    const [id = ""] = String(reply.id).split(".");
    const command = claims.get(id)?.get(String(reply.fingerprint));
    return command ?? mismatch("a reply is kept that no client asked for", undefined, reply);
  }

  /** Which of the requests without key an event belongs to: their ids are not known to the client before the answer, their targets are. */
  function unkeyedCommand(event: Item | undefined): Command {
    const command = attempts.find(({ operation, tenant }) => {
      if (tenant.id !== event?.organisation_id) return false;
      if (operation.op === "patch")
        return event.event_type === "account.updated" && event.object_id === operation.account && sameTerms(operation.body, event);
      if (operation.op === "verify") {
        const { after } = (event.details ?? {}) as { readonly after?: unknown };
        return event.event_type === "user.status_changed" && event.object_id === operation.user && after === operation.status;
      }
      if (operation.op !== "status" || event.object_id !== operation.account) return false;
      return event.event_type === `account.${{ freeze: "frozen", unfreeze: "unfrozen", close: "closed" }[operation.verb]}`;
    });
    return command ?? mismatch("something was changed that no client asked for", undefined, event);
  }

  function followUnkeyed(scene: Scene, command: Command, requestId: string): void {
    const { operation } = command;
    if (operation.op === "batch") mismatch("a batch without a key");
    // Which version the client had seen is judged by its answer: here two requests for the same terms look the same.
    const asked = operation.op === "patch" ? { op: operation.op, account: operation.account, body: operation.body } : operation;
    const verdict = judge(model.now, scene.tenant, asked, scene.at);
    if (verdict.due.size > 0) mismatch(`accepted, but it had to be refused: ${describe(command)}`, [...verdict.due], "accepted");
    perform(scene, operation, {});
    count(`${operation.op} accepted`);
    const id = operation.op === "patch" || operation.op === "status" ? operation.account : "";
    const account = model.now.account(id);
    const user = operation.op === "verify" ? model.now.user(operation.user) : undefined;
    if (user !== undefined) unkeyed.set(requestId, expectedUser(user, [scene.at]));
    if (account !== undefined) unkeyed.set(requestId, expectedAccount(account, [scene.at]));
  }

  function followKeyed(scene: Scene, command: Command, status: number, body: string, start: number): void {
    const { operation, tenant } = command;
    if (operation.op === "batch") {
      if (operation.body.mode === "independent") followIndependent(batches, scene, command, operation.body.transfers, body, start);
      else followAtomic(batches, scene, command, operation.body.transfers, status, body);
      return;
    }
    const told = JSON.parse(body) as Record<string, unknown>;
    if (status >= 400) {
      const code = String(told.code);
      count(`${operation.op} refused ${code}`);
      const verdicts = window(command, (view) => judge(view, tenant.id, operation, scene.at));
      if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
        mismatch(`refused as ${code} without reason: ${describe(command)}`, verdicts.map(shownVerdict), code);
      // The refusals of which something stays: the attempt counts for velocity.
      if (operation.op === "authorise" && code === "risk_declined")
        performDecline(scene, operation.body.from_account_id, operation.body.amount);
      if (operation.op === "increment" && code === "risk_declined")
        performDecline(scene, model.now.hold(operation.hold)?.from ?? "", operation.body.amount);
      return;
    }
    const now = judge(model.now, tenant.id, operation, scene.at);
    if (now.due.size > 0) mismatch(`accepted, but it had to be refused: ${describe(command)}`, [...now.due], body);
    perform(scene, operation, told);
    count(`${operation.op} accepted${status === 202 ? " for review" : ""}`);
    compareShown(`the kept reply to ${describe(command)}`, expectedReply(command, told, scene), told);
    const right = successOf(operation.op, told);
    if (status !== right) mismatch(`the status of ${describe(command)}`, right, status);
  }

  function expectedReply(command: Command, told: Record<string, unknown>, scene: Scene): Expected {
    const id = String(told.id);
    const { now } = model;
    switch (told.object) {
      case "user":
        return expectedUser(now.user(id) ?? mismatch(`a reply shows an unknown user: ${describe(command)}`), []);
      case "account":
        return expectedAccount(now.account(id) ?? mismatch(`a reply shows an unknown account: ${describe(command)}`), [scene.at]);
      case "transaction":
        return expectedTransaction(now.transaction(id) ?? mismatch(`a reply shows an unknown transaction: ${describe(command)}`), []);
      case "hold":
        return expectedHold(now.hold(id) ?? mismatch(`a reply shows an unknown hold: ${describe(command)}`), [scene.at]);
      case "review":
        return expectedReview(model, now.review(id) ?? mismatch(`a reply shows an unknown review: ${describe(command)}`), [scene.at]);
      default:
        return mismatch(`a reply shows something unknown: ${describe(command)}`, undefined, told);
    }
  }

  /** The verdicts over every state between a command's first sending and now: a refusal may rest on any of them. */
  function window(command: Command, ask: (view: ModelView) => Verdict): Verdict[] {
    const verdicts = [ask(model.now)];
    for (let commit = commits - 1; commit >= command.since; commit--) verdicts.push(ask(model.at(commit)));
    return verdicts;
  }

  function keepEvent(event: Item): void {
    const id = String(event.event_id);
    if (eventIds.has(id)) mismatch("an event is in two commits", undefined, event);
    eventIds.add(id);
    events.push(event);
    if (event.checksum !== checksumOf(event)) mismatch("an event's checksum is wrong", checksumOf(event), event.checksum);
    if (!String(event.partition).startsWith(`${String(event.organisation_id)}#`))
      mismatch("an event is kept in a foreign partition", undefined, event);
  }

  function checkEvents(command: Command, scene: Scene, told: readonly Item[]): void {
    if (told.length !== scene.events.length)
      mismatch(
        `the events of ${describe(command)}`,
        scene.events.map(({ type }) => type),
        told.map(({ event_type }) => event_type),
      );
    const requests = new Set(told.map((event) => String(event.request_id)));
    if (requests.size > 1) mismatch(`the events of ${describe(command)} name several requests`);
    for (const event of told) {
      keepEvent(event);
      requestIds.add(String(event.request_id));
      const { organisation_id, timestamp, api_key_id } = event;
      if (organisation_id !== scene.tenant || Date.parse(String(timestamp)) !== scene.at || api_key_id !== command.tenant.apiKeyId)
        mismatch(`an event of ${describe(command)} tells of another organisation, time or key`, [scene.tenant, scene.at], event);
      if (!scene.events.some((expected) => matches(expected, event)))
        mismatch(`an event of ${describe(command)} is not what happened`, scene.events, event);
    }
  }

  return {
    announce(command) {
      const claim = claimOf(command);
      if (claim === undefined) return;
      const byPrint = claims.get(claim.id) ?? new Map<string, Command>();
      byPrint.set(claim.fingerprint, byPrint.get(claim.fingerprint) ?? command);
      claims.set(claim.id, byPrint);
    },
    announceAttempt: (command) => void attempts.unshift(command),
    follow,
    kept(command) {
      const claim = claimOf(command);
      const replies = claim === undefined ? [] : [...(kept.get(claim.id) ?? [])].toSorted(([a], [b]) => a - b);
      return replies.map(([, reply]) => reply).filter(({ command: owner }) => claimOf(owner)?.fingerprint === claim?.fingerprint);
    },
    keptOther(command) {
      const claim = claimOf(command);
      const first = claim === undefined ? undefined : kept.get(claim.id)?.get(0);
      return first !== undefined && claimOf(first.command)?.fingerprint !== claim?.fingerprint;
    },
    events,
    unkeyed,
    requestIds,
    get commits() {
      return commits;
    },
    history,
    counts,
    count,
  };
}

function sameTerms(body: object, event: Item): boolean {
  const { fields, ...values } = (event.details ?? {}) as Record<string, unknown>;
  if (!isDeepStrictEqual(fields, Object.keys(body).toSorted())) return false;
  return Object.entries(values).every(([name, value]) => (body as Record<string, unknown>)[name] === value);
}

function successOf(op: string, told: Record<string, unknown>): number {
  if (op === "increment" || op === "void" || op === "review") return 200;
  return (op === "transfer" || op === "withdraw") && told.status === "pending_review" ? 202 : 201;
}

function matches(expected: ExpectedEvent, event: Item): boolean {
  const entries = expected.entries?.map(([account_id, amount]) => ({ account_id, amount: Number(amount) })) ?? null;
  return (
    event.event_type === expected.type &&
    (expected.object === undefined || event.object_id === expected.object) &&
    event.transaction_id === (expected.transaction ?? null) &&
    event.user_id === (expected.user ?? null) &&
    event.amount === (expected.amount === undefined ? null : Number(expected.amount)) &&
    event.currency === (expected.currency ?? null) &&
    isDeepStrictEqual(event.entries, entries)
  );
}
