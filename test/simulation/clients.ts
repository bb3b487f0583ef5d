import type { Hash } from "node:crypto";
import type { AnswerChecker } from "./answer-check.ts";
import type { CommitChecker } from "./commit-check.ts";
import type { Dice } from "./dice.ts";
import type { Weather } from "./faults.ts";
import { drawOperation } from "./generate.ts";
import { mismatch } from "./journal.ts";
import type { Model } from "./model.ts";
import type { Answer, Node } from "./node.ts";
import { type Command, describe, type HttpRequest, type Operation, requestOf, takesKey, type Tenant } from "./operations.ts";
import { askNonsense, readList, readOne } from "./reads.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface ClientsOptions {
  readonly dice: Dice;
  readonly time: VirtualTime;
  readonly model: Model;
  readonly commits: CommitChecker;
  readonly answers: AnswerChecker;
  readonly nodes: readonly Node[];
  readonly tenants: readonly Tenant[];
  readonly trace: Hash;
  readonly fail: (error: unknown) => void;
  readonly failed: () => boolean;
  readonly crash: (node: Node) => Promise<void>;
  readonly weather: () => Weather;
}

export interface Clients {
  /** Users and funded accounts, to begin with. */
  setUp(): Promise<void>;
  /** Several clients at once, until so many commands have been begun. */
  work(commands: number): Promise<void>;
  /** Repeats what has no settled answer yet. */
  finish(): Promise<void>;
  /** A deposit into every account that takes one, on every node: nothing stays locked. */
  probe(): Promise<void>;
  /** Asks any node. */
  readonly ask: (request: HttpRequest) => Promise<Answer | undefined>;
  readonly begun: number;
  readonly answered: number;
}

/** How often a command is asked again while faults go on, and once they have stopped. */
const MAX_TRIES = 10;
const MAX_CALM_TRIES = 5;
const LULLS_MS = [61_000, 5 * 60_000, 31 * 60_000, 25 * 60 * 60_000] as const;

export function createClients(options: ClientsOptions): Clients {
  const { dice, time, model, commits, answers, nodes, tenants, trace, weather } = options;
  const unsettled: Command[] = [];
  const settled: Command[] = [];
  let begun = 0;
  let answered = 0;
  let lullUntil = 0;

  function command(tenant: Tenant, operation: Operation, key?: string): Command {
    begun += 1;
    const made: Command = {
      number: begun,
      tenant,
      operation,
      key: takesKey(operation) ? (key ?? `key-${begun}`) : undefined,
      since: commits.commits,
    };
    commits.announce(made);
    return made;
  }

  const ask = async (request: HttpRequest, node = dice.pick(nodes)): Promise<Answer | undefined> => {
    const answer = await node.request(request);
    if (answer === undefined) {
      commits.count("request without any answer");
      return undefined;
    }
    answered += 1;
    trace.update(`answer ${time.now} ${answer.node} ${request.method} ${request.url} ${answer.status} ${answer.body}\n`);
    checkOwnership(request, answer);
    return answer;
  };

  /** No answer names anything of another organisation. */
  function checkOwnership(request: HttpRequest, answer: Answer): void {
    const tenant = tenants.find(({ apiKey }) => apiKey === request.headers["x-api-key"]);
    if (tenant === undefined) return;
    for (const [id] of answer.body.matchAll(/\b(?:acc|usr|txn|hld|rev)_[0-9A-Z]{26}\b/g)) {
      const timeline = { acc: model.accounts, usr: model.users, txn: model.transactions, hld: model.holds, rev: model.reviews }[
        id.slice(0, 3)
      ];
      const owner = timeline?.latest(id)?.tenant;
      if (owner !== undefined && owner !== tenant.id) mismatch(`an answer to ${tenant.id} names ${id} of ${owner}`, undefined, answer.body);
    }
  }

  /** Sends once. The answer is checked also when the client no longer waits for it. @returns whether it settled the command */
  async function send(one: Command, node: Node, patienceMs: number): Promise<boolean> {
    if (one.key === undefined) commits.announceAttempt(one);
    const sent = ask(requestOf(one), node).then((answer) => answer !== undefined && answers.check(one, answer));
    sent.catch(options.fail);
    return Promise.race([sent, time.sleep(patienceMs).then(() => false)]);
  }

  async function carryOut(one: Command, tries: number): Promise<boolean> {
    for (let attempt = 1; attempt <= tries; attempt++) {
      if (options.failed()) return true;
      const patience = dice.chance(0.85) ? 20_000 : 20 + dice.below(400);
      const node = dice.pick(nodes);
      if (nodes.length > 1 && dice.chance(0.06)) {
        const twin = dice.pick(nodes.filter((other) => other !== node));
        const both = await Promise.all([send(one, node, patience), send(one, twin, patience)]);
        if (both.includes(true)) return true;
      } else if (await send(one, node, patience)) {
        return true;
      }
      await time.sleep(1 + dice.below(60));
    }
    return false;
  }

  async function settle(one: Command): Promise<void> {
    if (await carryOut(one, MAX_TRIES)) settled.push(one);
    else unsettled.push(one);
  }

  /** Asks again for what has been answered, or for something else under its key. */
  async function askAgain(): Promise<void> {
    const keyed = settled.filter(({ key }) => key !== undefined);
    const old = keyed.length === 0 ? undefined : dice.pick(keyed);
    if (old?.key === undefined) return;
    if (dice.chance(0.6)) {
      await carryOut(old, 2);
      return;
    }
    const other = dice.pick(tenants.filter(({ id }) => id !== old.tenant.id));
    await settle(command(old.tenant, drawOperation(dice, model, old.tenant, other, time.now), old.key));
  }

  /** Waits for the moment a hold expires, give or take how wrong clocks are, and uses it then. */
  async function useAtExpiry(): Promise<void> {
    const hold = model.holds.all().find(({ status, until }) => status === "active" && until > time.now && until - time.now < 20 * 60_000);
    const tenant = tenants.find(({ id }) => id === hold?.tenant);
    const other = tenants.find(({ id }) => id !== hold?.tenant);
    if (hold === undefined || tenant === undefined || other === undefined) return;
    const aside = dice.chance(0.5) ? weather().skewMs : 20;
    const moment = hold.until + dice.between(-aside, aside);
    lullUntil = Math.max(lullUntil, moment);
    await time.sleep(moment - time.now);
    await settle(command(tenant, drawOperation(dice, model, tenant, other, time.now, hold)));
  }

  async function oneClient(limit: number): Promise<void> {
    while (begun < limit && !options.failed()) {
      await time.sleep(Math.max(lullUntil - time.now, 0) + dice.fraction() * 15);
      if (begun >= limit || options.failed()) return;
      const tenant = dice.pick(tenants);
      const other = dice.pick(tenants.filter(({ id }) => id !== tenant.id));
      if (dice.chance(weather().crash)) await options.crash(dice.pick(nodes));
      if (dice.chance(0.015)) lullUntil = time.now + dice.pick(LULLS_MS);
      if (dice.chance(0.02)) {
        await useAtExpiry();
        continue;
      }
      const kind = dice.weighted({ command: 62, again: 8, read: 24, list: 3, nonsense: 3 });
      if (kind === "command") await settle(command(tenant, drawOperation(dice, model, tenant, other, time.now)));
      else if (kind === "again") await askAgain();
      else if (kind === "read") await readOne(dice, model, commits, tenant, ask);
      else if (kind === "list") await readList(dice, model, commits, tenant, ask);
      else await askNonsense(dice, model, tenant, ask);
    }
  }

  return {
    ask,
    get begun() {
      return begun;
    },
    get answered() {
      return answered;
    },
    async setUp() {
      for (const tenant of tenants) {
        for (let n = 0; n < 3; n++) await settle(command(tenant, { op: "create_user", name: `Customer ${n}` }));
        const users = model.users.all().filter((user) => user.tenant === tenant.id);
        for (let n = 0; n < 6; n++) {
          const user_id = users[n % users.length]?.id ?? "";
          const currency = n === 5 ? "JPY" : "EUR";
          await settle(command(tenant, { op: "open_account", body: { type: "checking", currency, user_id, overdraft_limit: n * 1000 } }));
        }
        await settle(command(tenant, { op: "open_account", body: { type: "fees", currency: "EUR" } }));
        for (const { id, currency } of model.accounts.all().filter((account) => account.tenant === tenant.id)) {
          const amount = dice.pick([5_000, 400_000, 3_000_000_000]);
          await settle(command(tenant, { op: "deposit", body: { account_id: id, amount, currency } }));
        }
      }
    },
    async work(limit) {
      const crowd = dice.between(2, 8);
      await Promise.all(Array.from({ length: crowd }, () => oneClient(begun + limit)));
    },
    async finish() {
      for (const one of unsettled)
        if (!(await carryOut(one, MAX_CALM_TRIES))) mismatch(`no answer although the faults have stopped: ${describe(one)}`);
    },
    async probe() {
      for (const node of nodes) {
        for (const account of model.accounts.all()) {
          const tenant = tenants.find(({ id }) => id === account.tenant);
          if (tenant === undefined || account.type === "settlement") continue;
          const { id, currency } = account;
          const one = command(tenant, { op: "deposit", body: { account_id: id, amount: 1, currency } });
          if (!(await send(one, node, 60_000))) mismatch(`${node.name} does not answer for ${id}: ${describe(one)}`);
        }
      }
    },
  };
}
