import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProblemCode } from "#kernel/problems.ts";
import type { Sink } from "#sinks/index.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { movableClock, startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { contentsOf } from "./contents.ts";
import type { Operation } from "./document.ts";
import { readDocument } from "./document.ts";
import type { Landmarks, Request } from "./operation-cases.ts";
import { makeLandmarks, operationCases, pathOf } from "./operation-cases.ts";
import { recordingSender } from "./operation-cases/factors.ts";

const document = await readDocument();
const NONE: Fault = { kind: "none" };

/** A sink, so that what tells about sinks has something to read. */
const nowhere: Sink = { name: "nowhere", takes: "lines", send: () => Promise.resolve(), close: () => undefined };

/** What befalls every commit, what the client is told, and whether the change is nevertheless there afterwards. */
const COMMIT_FAULTS: readonly (readonly [Fault["kind"], ProblemCode])[] = [
  ["throttled", "contention"],
  ["unavailable", "store_unavailable"],
  ["timeout_unwritten", "outcome_unknown"],
];

describe("a store that fails under every operation", () => {
  let app: TestApp;
  let own: Organisation;
  let landmarks: Landmarks;
  let onCommit: Fault = NONE;
  let onRead: Fault = NONE;
  /** Befalls reads of one record alone; the commit queue reads many at once. */
  let onGet: Fault = NONE;

  before(async () => {
    // Retries wait for this clock: without waiting, their number is all that is tried here.
    const clock = { ...movableClock(), sleep: () => sleep(0) };
    const faults = (operation: string): Fault => {
      if (operation === "commit") return onCommit;
      return operation === "get" && onGet !== NONE ? onGet : onRead;
    };
    app = await startApp({ store: "memory", clock, memory: { faults }, codeSender: recordingSender, sinks: [nowhere] });
    own = await app.newOrganisation();
    landmarks = await makeLandmarks(own, app.clock);
    // From here on nothing is left by anything but requests.
    await app.app.webhooks.stop();
  });
  after(() => app.close());

  function send(operation: Operation, request: Request, idempotencyKey: string): Promise<Answer> {
    const query = request.query === undefined ? "" : `?${new URLSearchParams(request.query).toString()}`;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options = { idempotencyKey: operation.isIdempotent ? idempotencyKey : null };
    return own.api.send(operation.method, pathOf(operation.path, request) + query, body, options);
  }

  const declared = (operation: Operation, answer: Answer, code: ProblemCode): void => {
    refused(answer, code);
    assert.ok(document.declares(operation, answer.status, code), `the document does not say that ${operation.operationId} answers ${code}`);
  };

  for (const operation of document.operations.filter(({ isPublic, isSession }) => !isPublic && !isSession)) {
    const facts = operationCases[operation.operationId];
    it(`${operation.operationId}: reads fail`, async () => {
      assert.ok(facts);
      const request = await facts.prepare(own, landmarks, app.clock);
      const stored = contentsOf(app.shared.database);
      onRead = { kind: "unavailable" };
      const answer = await send(operation, request, freshKey()).finally(() => {
        onRead = NONE;
      });
      // Creating a key or a user reads nothing before the commit.
      if (answer.status !== facts.status) {
        declared(operation, answer, "store_unavailable");
        assert.equal(answer.headers["retry-after"], "1");
        assert.equal(contentsOf(app.shared.database), stored);
      }
      if (operation.method === "GET") assert.equal(answer.status, 503);
    });

    if (operation.method === "GET") continue;
    for (const [kind, code] of COMMIT_FAULTS) {
      it(`${operation.operationId}: ${kind} commits answer ${code} and leave nothing; a repetition does it once`, async () => {
        assert.ok(facts);
        const request = await facts.prepare(own, landmarks, app.clock);
        const seen = await newestEvent(own.api);
        const stored = contentsOf(app.shared.database);
        const key = freshKey();
        onCommit = { kind };
        const answer = await send(operation, request, key).finally(() => {
          onCommit = NONE;
        });
        // A user's data key is made in a commit of its own, which comes first: without a key there is nothing to be in doubt about.
        const met = operation.operationId === "createUser" ? "store_unavailable" : code;
        declared(operation, answer, met);
        assert.equal(contentsOf(app.shared.database), stored, "something was written");
        assert.equal(await newestEvent(own.api), seen);
        const again = await send(operation, request, key);
        ok(again, facts.status);
        assert.equal(again.headers["idempotent-replayed"], undefined, "nothing had been done before");
        assert.deepEqual(
          (await eventsAfter(own.api, seen)).map((event) => event["event_type"]),
          facts.events,
        );
      });
    }

    it(`${operation.operationId}: an answer lost on the way back is found again, and done once`, async () => {
      assert.ok(facts);
      const request = await facts.prepare(own, landmarks, app.clock);
      const seen = await newestEvent(own.api);
      const key = freshKey();
      onCommit = { kind: "timeout_written" };
      const answer = await send(operation, request, key).finally(() => {
        onCommit = NONE;
      });
      ok(answer, facts.status);
      if (operation.isIdempotent) {
        const again = await send(operation, request, key);
        assert.equal(again.text, answer.text);
        assert.equal(again.headers["idempotent-replayed"], "true");
      }
      assert.deepEqual(
        (await eventsAfter(own.api, seen)).map((event) => event["event_type"]),
        facts.events,
      );
    });
  }

  it("createTransfer: what was answered cannot be shown again while reads fail, which does not claim that nothing was done, and is the same afterwards", async () => {
    // Of one with no policies there is nothing else to read.
    const another = await app.newOrganisation();
    const from_account_id = await another.account({ balance: 1_000 });
    const body = { from_account_id, to_account_id: await another.account(), amount: 10, currency: "EUR", metadata: { note: "kept" } };
    const idempotencyKey = freshKey();
    const ask = (): Promise<Answer> => another.api.post("/v1/transfers", body, { idempotencyKey });
    const first = await ask();
    ok(first, 201);
    const stored = contentsOf(app.shared.database);
    onGet = { kind: "unavailable" };
    const answer = await ask().finally(() => {
      onGet = NONE;
    });
    refused(answer, "outcome_unknown");
    assert.equal(contentsOf(app.shared.database), stored);
    const again = await ask();
    assert.deepEqual([again.status, again.text, again.headers["idempotent-replayed"]], [201, first.text, "true"]);
  });

  it("createTransferBatch: a store that fails half-way does not claim that nothing was done; a repetition does the rest", async () => {
    const from_account_id = await own.account({ balance: 1_000 });
    const to_account_id = await own.account();
    const transfers = Array.from({ length: 50 }, () => ({ from_account_id, to_account_id, amount: 10, currency: "EUR" }));
    const idempotencyKey = freshKey();
    const ask = (): Promise<Answer> => own.api.post("/v1/transfers/batch", { mode: "independent", transfers }, { idempotencyKey });
    let commits = 0;
    onCommit = {
      get kind() {
        commits += 1;
        return commits === 1 ? "none" : "unavailable";
      },
    };
    const answer = await ask().finally(() => {
      onCommit = NONE;
    });
    refused(answer, "outcome_unknown");
    const done = await own.balance(to_account_id);
    assert.ok(done > 0 && done < 500, `${done} of 500 were moved`);
    const { results } = ok(await ask(), 200);
    assert.ok(results.length === 50 && results.every((result) => result.status === 201));
    assert.equal(await own.balance(to_account_id), 500);
    const again = await ask();
    assert.equal(again.headers["idempotent-replayed"], "true");
    assert.deepEqual(again.body.results, results);
    assert.equal(await own.balance(to_account_id), 500);
  });
});
