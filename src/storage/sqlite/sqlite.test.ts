import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { storeConformance } from "../conformance/suite.ts";
import { openSqliteStore } from "./store.ts";

storeConformance("sqlite", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "store-")), "data.db");
  let store = await openSqliteStore({ file });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ file });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(dirname(file), { recursive: true });
    },
  };
});
