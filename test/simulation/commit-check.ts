import { isDeepStrictEqual } from "node:util";
import type { Item, Write } from "#storage/port.ts";
import type { ExpectedEvent, Scene } from "./effects.ts";
import { perform, performPayment } from "./effects.ts";
import { checksumOf, claimOf, type KeptReply, mismatch, type Segment, segmentsOf } from "./journal.ts";
import type { Model, ModelView } from "./model.ts";
import { reservedAt } from "./model.ts";
import type { AppliedCommit } from "./observed-database.ts";
import type { Command, TransferBody } from "./operations.ts";
import { judge, judgePayment, type Verdict } from "./rules.ts";
import type { Expected } from "./shown.ts";
import { compareShown, expectedAccount, expectedHold, expectedReview, expectedTransaction, expectedUser } from "./shown.ts";

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
  readonly counts: Map<string, number>;
}

export function createCommitChecker(model: Model): CommitChecker {
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

  function follow({ writes, before }: AppliedCommit): void {
    commits += 1;
    history.push(writes);
    const tables = new Set(writes.map(({ table }) => table));
    // Data keys are the vault's own business, apart from any command.
    if (tables.has("smartfinance-data-keys")) {
      if (tables.size !== 1) mismatch("a commit mixes data keys and other things", ["smartfinance-data-keys"], [...tables]);
      return;
    }
    checkZeroSum(writes, before);
    for (const segment of segmentsOf(writes)) followSegment(segment);
    checkState(writes);
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
      byStart.set(start, { command, status: Number(reply.status), body: String(reply.body), commit: commits });
      kept.set(id, byStart);
      if (reply.organisation_id !== tenant) mismatch("a reply is kept for another organisation", tenant, reply.organisation_id);
      followKeyed(scene, command, Number(reply.status), String(reply.body), start);
    }
    if (scene.problems.length > 0) mismatch(`${describe(command)}: ${scene.problems.join("; ")}`);
    checkEvents(command, scene, told);
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
    if (account !== undefined) unkeyed.set(requestId, expectedAccount(account, [scene.at]));
  }

  function followKeyed(scene: Scene, command: Command, status: number, body: string, start: number): void {
    const { operation, tenant } = command;
    if (operation.op === "batch") {
      if (operation.body.mode === "independent") followIndependent(scene, command, operation.body.transfers, body, start);
      else followAtomic(scene, command, operation.body.transfers, status, body);
      return;
    }
    const told = JSON.parse(body) as Record<string, unknown>;
    if (status >= 400) {
      const code = String(told.code);
      count(`${operation.op} refused ${code}`);
      const verdicts = window(command, (view) => judge(view, tenant.id, operation, scene.at));
      if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
        mismatch(`refused as ${code} without reason: ${describe(command)}`, verdicts.map(shownVerdict), code);
      return;
    }
    const now = judge(model.now, tenant.id, operation, scene.at);
    // An authorisation reads the payee but does not change it: the payee's status may be that of a moment before.
    const excused =
      operation.op === "authorise" && window(command, (view) => judge(view, tenant.id, operation, scene.at)).some((v) => v.due.size === 0);
    if (now.due.size > 0 && !excused) mismatch(`accepted, but it had to be refused: ${describe(command)}`, [...now.due], body);
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
        return expectedReview(model, now.review(id) ?? mismatch(`a reply shows an unknown review: ${describe(command)}`), []);
      default:
        return mismatch(`a reply shows something unknown: ${describe(command)}`, undefined, told);
    }
  }

  function followIndependent(scene: Scene, command: Command, transfers: readonly TransferBody[], body: string, start: number): void {
    const results = JSON.parse(`[${body}]`) as Record<string, unknown>[];
    if (results.length === 0) mismatch("a chunk of a batch without results");
    for (const [n, result] of results.entries()) {
      const index = start + n;
      const asked = transfers[index];
      if (asked === undefined || result.index !== index) mismatch("a batch's results are out of order", index, result.index);
      const status = Number(result.status);
      const now = judgePayment(model.now, scene.tenant, "transfer", asked, scene.at);
      count(`batched transfer ${status < 300 ? "accepted" : `refused ${String(result.code)}`}`);
      if (status < 300) {
        if (now.due.size > 0) mismatch(`accepted, but transfer ${index} of the batch had to be refused`, [...now.due], result);
        performTransfer(scene, asked, result);
        if (result.transaction_status !== (status === 201 ? "posted" : "pending_review"))
          mismatch("a batch's result contradicts itself", undefined, result);
        continue;
      }
      const code = String(result.code);
      const verdicts = [now, ...window(command, (view) => judgePayment(view, scene.tenant, "transfer", asked, scene.at))];
      if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
        mismatch(`transfer ${index} of a batch was refused as ${code} without reason`, verdicts.map(shownVerdict), result);
    }
  }

  function performTransfer(scene: Scene, asked: TransferBody, result: Record<string, unknown>): void {
    const payer = model.now.account(asked.from_account_id);
    const payee = model.now.account(asked.to_account_id);
    if (payer === undefined || payee === undefined) mismatch("a batch moved money between unknown accounts", undefined, result);
    const review = result.review_id === null ? null : String(result.review_id);
    performPayment(scene, "transfer", asked, payer, payee, { id: String(result.transaction_id), review, riskScore: result.risk_score });
  }

  function followAtomic(scene: Scene, command: Command, transfers: readonly TransferBody[], status: number, body: string): void {
    const told = JSON.parse(body) as { results?: Record<string, unknown>[]; code?: string; param?: string };
    count(`atomic batch ${status < 300 ? "accepted" : `refused ${told.code}`}`);
    if (status >= 300) {
      const index = Number(/^transfers\.(\d+)/.exec(told.param ?? "")?.[1] ?? Number.NaN);
      const asked = transfers[index];
      if (asked === undefined) mismatch(`an atomic batch was refused for no transfer: ${describe(command)}`, undefined, told);
      // What the transfers before it would have done is not repeated here: it makes any shortage of funds possible.
      const code = told.code ?? "";
      if (code === "risk_declined" || (index > 0 && (code === "insufficient_funds" || code === "balance_overflow"))) return;
      const verdicts = window(command, (view) => judgePayment(view, scene.tenant, "transfer", asked, scene.at));
      if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
        mismatch(`an atomic batch was refused as ${code} without reason: ${describe(command)}`, verdicts.map(shownVerdict), told);
      return;
    }
    if (told.results?.length !== transfers.length)
      mismatch("an atomic batch did not do everything", transfers.length, told.results?.length);
    for (const [index, asked] of transfers.entries()) {
      const { due } = judgePayment(model.now, scene.tenant, "transfer", asked, scene.at);
      if (due.size > 0) mismatch(`accepted, but transfer ${index} had to be refused: ${describe(command)}`, [...due], told);
      const result = told.results[index] ?? {};
      if (result.review_id !== null || result.status !== 201) mismatch("an atomic batch waits for a review", undefined, result);
      performTransfer(scene, asked, result);
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

  /** Every item that was written is what the model has, and everything the model changed was written. */
  function checkState(writes: readonly Write[]): void {
    const written = new Set<string>();
    for (const write of writes) {
      if (write.op !== "put") mismatch("a commit of a command deletes or checks something", undefined, write);
      const { table, item } = write;
      const id = String(item.id);
      const owner = String(item.organisation_id);
      switch (table) {
        case "smartfinance-accounts":
          checkAccount(item);
          break;
        case "smartfinance-transactions": {
          const t = model.transactions.latest(id);
          const got = {
            status: item.status,
            from: item.from_account_id,
            to: item.to_account_id,
            amount: item.amount,
            reversed: item.reversed_amount,
          };
          const expected = t && { status: t.status, from: t.from, to: t.to, amount: Number(t.amount), reversed: Number(t.reversed) };
          if (!isDeepStrictEqual(got, expected) || t?.tenant !== owner) mismatch(`stored transaction ${id}`, expected, got);
          break;
        }
        case "smartfinance-holds": {
          const h = model.holds.latest(id);
          const got = { status: item.status, amount: item.amount, captured: item.captured_amount, until: item.expires_at };
          const expected = h && { status: h.status, amount: Number(h.amount), captured: Number(h.captured), until: h.until };
          if (!isDeepStrictEqual(got, expected) || h?.tenant !== owner) mismatch(`stored hold ${id}`, expected, got);
          break;
        }
        case "smartfinance-reviews": {
          const review = model.reviews.latest(id);
          if (review?.status !== item.status || review?.tenant !== owner) mismatch(`stored review ${id}`, review, item);
          break;
        }
        case "smartfinance-users": {
          const user = model.users.latest(id);
          if (user?.accounts !== item.account_count || user?.tenant !== owner) mismatch(`stored user ${id}`, user, item);
          if (JSON.stringify(item).includes(user.name)) mismatch("a user's name is stored in the clear");
          break;
        }
        default:
          continue;
      }
      written.add(id);
      const known = owners.get(id);
      if (known !== undefined && known !== owner) mismatch(`${id} changed hands`, known, owner);
      owners.set(id, owner);
    }
    for (const timeline of [model.users, model.accounts, model.transactions, model.holds, model.reviews])
      for (const id of timeline.touched(commits)) if (!written.has(id)) mismatch(`half a commit: ${id} was not written`);
    for (const id of written) {
      const timelines = [model.users, model.accounts, model.transactions, model.holds, model.reviews];
      if (!timelines.some((timeline) => timeline.touched(commits).includes(id)))
        mismatch(`${id} was written although nothing happened to it`);
    }
  }

  function checkAccount(item: Item): void {
    const id = String(item.id);
    const a = model.accounts.latest(id);
    if (a === undefined) mismatch("an account was stored that nobody opened", undefined, item);
    const live = (item.reserved as readonly { id: string; amount: number; expires_at: number | null }[])
      .filter(({ expires_at }) => expires_at === null || expires_at > a.clock)
      .map(({ id: by, amount, expires_at }) => [by, amount, expires_at])
      .toSorted();
    const expected = {
      tenant: a.tenant,
      status: a.status,
      balance: Number(a.balance),
      overdraft: Number(a.overdraft),
      entries: a.entries.length,
      version: a.version,
      reserved: [...a.reserved]
        .filter(([, { until }]) => until === null || until > a.clock)
        .map(([by, { amount, until }]) => [by, Number(amount), until])
        .toSorted(),
    };
    const got = {
      tenant: item.organisation_id,
      status: item.status,
      balance: item.balance,
      overdraft: item.overdraft_limit,
      entries: item.entry_count,
      version: item.version,
      reserved: live,
    };
    if (!isDeepStrictEqual(got, expected)) mismatch(`stored account ${id}`, expected, got);
    if (a.type !== "settlement" && a.balance - reservedAt(a, a.clock) + a.overdraft < 0n)
      mismatch(`account ${id} is beyond its limit`, undefined, got);
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
    event.object_id === expected.object &&
    event.transaction_id === (expected.transaction ?? null) &&
    event.user_id === (expected.user ?? null) &&
    event.amount === (expected.amount === undefined ? null : Number(expected.amount)) &&
    event.currency === (expected.currency ?? null) &&
    isDeepStrictEqual(event.entries, entries)
  );
}

/** Money neither appears nor vanishes: what a commit does to the balances of a currency sums to zero. */
function checkZeroSum(writes: readonly Write[], before: readonly (Item | undefined)[]): void {
  const sums = new Map<string, bigint>();
  for (const [n, write] of writes.entries()) {
    if (write.op !== "put" || write.table !== "smartfinance-accounts") continue;
    const key = `${String(write.item.organisation_id)} ${String(write.item.currency)}`;
    const moved = BigInt(Number(write.item.balance)) - BigInt(Number(before[n]?.balance ?? 0));
    sums.set(key, (sums.get(key) ?? 0n) + moved);
  }
  for (const [key, sum] of sums) if (sum !== 0n) mismatch(`a commit makes or destroys money of ${key}`, 0, sum);
}

function shownVerdict({ due, allowed }: Verdict): unknown {
  return { due: [...due], allowed: [...allowed] };
}

/** A command as a person reads it. */
export function describe(command: Command): string {
  return `#${command.number} ${JSON.stringify(command.operation)} by ${command.tenant.id.slice(-6)}, key ${command.key ?? "none"}`;
}
