import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { readDocument } from "./document.ts";
import type { Operation } from "./document.ts";
import type { Landmarks, Request } from "./operation-cases.ts";
import { makeLandmarks, operationCases, pathOf } from "./operation-cases.ts";

const DAY_MS = 24 * 3600 * 1000;
const document = await readDocument();

describe("IDEM-01 every operation that takes an Idempotency-Key", () => {
  let app: TestApp;
  let own: Organisation;
  let other: Organisation;
  let landmarks: Landmarks;

  before(async () => {
    app = await startApp({ store: "memory" });
    own = await app.newOrganisation();
    other = await app.newOrganisation();
    landmarks = await makeLandmarks(own, app.clock);
  });
  after(() => app.close());

  const send = (by: Organisation, operation: Operation, request: Request, idempotencyKey: string, body = request.body): Promise<Answer> =>
    by.api.send(operation.method, pathOf(operation.path, request), body && JSON.stringify(body), { idempotencyKey });

  const keyed = document.operations.filter(({ isIdempotent }) => isIdempotent);

  it("is one of many", () => assert.ok(keyed.length >= 12));

  for (const operation of keyed) {
    const { operationId } = operation;
    it(`${operationId}: the same bytes again, also after 25 hours; another request under the key is 422; the key is the client's own`, async () => {
      const facts = operationCases[operationId];
      assert.ok(facts);
      const request = await facts.prepare(own, landmarks, app.clock);
      const key = freshKey();
      const first = await send(own, operation, request, key);
      ok(first, facts.status);
      assert.equal(first.headers["idempotent-replayed"], undefined);
      for (const wait of [0, DAY_MS + 3_600_000]) {
        app.clock.advance(wait);
        const again = await send(own, operation, request, key);
        assert.equal(again.headers["idempotent-replayed"], "true");
        assert.deepEqual([again.status, again.text], [first.status, first.text]);
        assert.equal(again.headers["content-type"], first.headers["content-type"]);
      }
      // Two spaces are another body, and say nothing else.
      const path = pathOf(operation.path, request);
      const body = request.body === undefined ? "{}" : ` ${JSON.stringify(request.body)}`;
      refused(await own.api.send(operation.method, path, body, { idempotencyKey: key }), "idempotency_key_reused");
      const elsewhere = await facts.prepare(other, await landmarksOf(other), app.clock);
      const strangers = await send(other, operation, elsewhere, key);
      assert.equal(strangers.headers["idempotent-replayed"], undefined, "the key of one client is not another's");
      ok(strangers, facts.status);
    });
  }

  let others: Promise<Landmarks> | undefined;
  const landmarksOf = (organisation: Organisation): Promise<Landmarks> => (others ??= makeLandmarks(organisation, app.clock));
});
