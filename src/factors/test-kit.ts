import assert from "node:assert/strict";
import type { Actor, BuiltEvent } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { UserId } from "#kernel/ids.ts";
import { createIds } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { actorOf, ORG, seededRandom, T0, testClock } from "#test/support/builders.ts";
import type { TestClock } from "#test/support/builders.ts";
import { createVault } from "#vault/index.ts";
import type { Kms } from "#vault/index.ts";
import { addPasskey } from "./add-passkey.ts";
import { activateTotp, startTotp } from "./add-totp.ts";
import { challengeFactor, startPasskey } from "./challenges.ts";
import type { CodeMessage, NoticeMessage } from "./code-sender.ts";
import type { FactorDeps } from "./deps.ts";
import type { Checked, FailedCheck, Subject } from "./factor.ts";
import type { FactorSet } from "./factor-set.ts";
import { readSet } from "./factor-set.ts";
import { createFactorNotices } from "./notify.ts";
import type { Proof } from "./proof.ts";
import type { SoftwareAuthenticator } from "./testing/software-authenticator.ts";
import { softwareAuthenticator } from "./testing/software-authenticator.ts";
import type { AuthenticatorOptions } from "./testing/software-authenticator.ts";
import { stepAt, totpCode } from "./totp.ts";
import { factorNeeds, failedOutcome, useFactor } from "./use-factor.ts";
import { replied, workOn } from "#commit/index.ts";

/** A key management service that wraps nothing: what it gives as wrapped is the key itself. */
const openKms: Kms = {
  async generateDataKey() {
    const plaintext = seededRandom(7).bytes(32);
    return { plaintext, wrapped: Buffer.from(plaintext).toString("base64url"), kmsKeyId: "test" };
  },
  decrypt: async (wrapped) => new Uint8Array(Buffer.from(wrapped, "base64url")),
};

export const RP = { id: "localhost", name: "SmartFinance", origins: ["http://localhost:8080"] } as const;

/** The room over a memory store, with a subject that has nothing yet. */
export interface FactorKit {
  readonly deps: FactorDeps;
  readonly clock: TestClock;
  readonly subject: Subject;
  readonly asked: Asked;
  readonly codes: CodeMessage[];
  readonly notices: NoticeMessage[];
  readonly events: BuiltEvent[];
  /** Event types so far, those of keys left out. */
  types(): readonly string[];
  set(): Promise<FactorSet>;
  /** Uses a checked factor in a decision of its own. */
  use(checked: Checked | FailedCheck): Promise<Executed>;
  passkey(options?: AuthenticatorOptions, proof?: Proof): Promise<{ readonly id: string; readonly device: SoftwareAuthenticator }>;
  /** An active TOTP; the code that activated it is of one step ago. */
  totp(proof?: Proof): Promise<{ readonly id: string; readonly code: (steps?: number) => string }>;
  /** A proof by passkey, to a challenge of its own. */
  prove(device: SoftwareAuthenticator): Promise<Proof>;
  /** Waits for notices. */
  settle(): Promise<void>;
  newSubject(): Subject;
}

export function factorKit(more: Partial<FactorDeps> = {}): FactorKit {
  const clock = testClock(T0);
  const random = seededRandom(5);
  const ids = createIds(clock, random);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const events: BuiltEvent[] = [];
  const codes: CodeMessage[] = [];
  const notices: NoticeMessage[] = [];
  const queue = createCommitQueue({
    store,
    clock,
    random,
    onCommitted(built) {
      events.push(...built);
      told.onCommitted(built);
    },
  });
  const deps: FactorDeps = {
    store,
    queue,
    vault: createVault({ store, kms: openKms, clock, ids, random }),
    ids,
    clock,
    random,
    relyingParty: RP,
    codeSender: {
      sendCode: async (message) => void codes.push(message),
      sendNotice: async (message) => void notices.push(message),
    },
    contactOf: async () => ({ email: "ada@example.com", phone: null }),
    ...more,
  };
  const told = createFactorNotices(deps);
  const actor: Actor = actorOf(ORG);
  const asked: Asked = { actor, idempotency: undefined };
  const newSubject = (): Subject => ({ organisationId: ORG, kind: "user", id: ids.next("user") satisfies UserId });
  const subject = newSubject();
  const kit: FactorKit = {
    deps,
    clock,
    subject,
    asked,
    codes,
    notices,
    events,
    newSubject,
    types: () => events.map(({ item }) => String(item.event_type)),
    async set() {
      const set = await readSet(deps.store, subject);
      assert.ok(set, "the subject has a set of factors");
      return set;
    },
    use: (checked) =>
      deps.queue.execute({
        actor,
        needs: factorNeeds(checked.attempt.subject),
        decide(view, at) {
          const work = workOn(view);
          const refusal = useFactor(work, checked, at);
          return refusal === undefined ? work.outcome(replied(200, { used: true })) : failedOutcome(work, refusal, null);
        },
      }),
    async passkey(options = {}, proof) {
      const device = softwareAuthenticator(options);
      const started = good(await startPasskey(deps, asked, subject, {}), 201);
      const response = device.create(started.public_key as JsonObject);
      const made = good(await addPasskey(deps, asked, subject, { response, ...(proof === undefined ? {} : { proof }) }), 201);
      return { id: String(made.id), device };
    },
    async totp(proof) {
      const started = good(await startTotp(deps, asked, subject, {}), 201);
      const secret = String(started.secret);
      const code = (steps = 0): string => totpCode(secret, stepAt(clock.now()) + steps);
      const id = String(started.id) as Parameters<typeof activateTotp>[3];
      good(await activateTotp(deps, asked, subject, id, { code: code(-1), ...(proof === undefined ? {} : { proof }) }), 200);
      return { id, code };
    },
    async prove(device) {
      const { public_key } = good(await challengeFactor(deps, asked, subject), 201);
      return { type: "passkey", response: device.get(public_key as JsonObject) };
    },
    settle: () => told.settle(),
  };
  return kit;
}

/** Asserts that a command succeeded and gives its reply. */
export function good(executed: Executed, status: number): JsonObject {
  assert.ok(executed.ok, JSON.stringify(executed));
  assert.equal(executed.reply.status, status, executed.reply.body);
  return JSON.parse(executed.reply.body) as JsonObject;
}

/** Asserts that a command was refused with this code. */
export function bad(executed: Executed, code: ProblemCode): JsonObject {
  assert.ok(executed.ok, JSON.stringify(executed));
  const body = JSON.parse(executed.reply.body) as JsonObject;
  assert.equal(body.code, code, executed.reply.body);
  assert.equal(executed.reply.status, problems[code].status);
  return body;
}

/** All at once. */
export const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));
