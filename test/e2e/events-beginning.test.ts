import assert from "node:assert/strict";
import { after, before, describe, it, mock } from "node:test";
import { listen } from "../support/event-stream.ts";
import { startApp } from "../support/app.ts";
import type { StoreKind, TestApp } from "../support/app.ts";
import { ok } from "../support/http-client.ts";

for (const store of ["memory", "sqlite"] satisfies StoreKind[])
  describe(`where a new stream begins on the ${store} store`, () => {
    let app: TestApp;
    /** Webhooks do not work here, so that they have never written down how far they are. */
    before(async () => {
      app = await startApp({ store });
    });
    after(() => app.close());

    it("does not read through what happened long before it, with the log sealed and no webhook worker", async () => {
      const organisation = await app.newOrganisation();
      const from = await organisation.account({ balance: 1_000 });
      const to = await organisation.account();
      for (let n = 0; n < 20; n++) ok(await organisation.transfer(from, to, 1), 201);
      await app.app.log.worker.work();
      const feed = mock.method(app.store, "feed");
      const streams = await Promise.all(Array.from({ length: 3 }, () => listen(app.url, organisation.apiKey)));
      const { id } = ok(await organisation.transfer(from, to, 1), 201);
      for (const stream of streams) {
        await stream.until((all) => all.length > 0);
        assert.deepEqual(
          stream.messages.map(({ data }) => data.data.object),
          [id],
        );
        stream.close();
      }
      assert.ok(feed.mock.calls.length > 0);
      for (const { arguments: asked, result } of feed.mock.calls) {
        assert.notEqual(asked[0], undefined);
        const { items } = (await result) ?? assert.fail("the feed was not read");
        assert.ok(items.length <= 2, `${items.length} events were read again`);
      }
      feed.mock.restore();
    });
  });
