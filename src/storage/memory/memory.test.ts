import { storeConformance } from "../conformance/suite.ts";
import type { InjectableFault } from "../conformance/suite.ts";
import { createMemoryDatabase } from "./database.ts";
import { type Fault, openMemoryStore, type Operation } from "./memory-store.ts";

const faultOf: Readonly<Record<InjectableFault, Fault>> = {
  written_timeout: { kind: "timeout_written" },
  unwritten_timeout: { kind: "timeout_unwritten" },
  unavailable: { kind: "unavailable" },
  throttled: { kind: "throttled" },
  read_unavailable: { kind: "unavailable" },
};

storeConformance(
  "memory",
  async () => {
    const database = createMemoryDatabase();
    let fault: InjectableFault | undefined;
    const faults = (operation: Operation): Fault => {
      const concerned = fault !== undefined && (operation === "commit") === (fault !== "read_unavailable");
      return concerned && fault !== undefined ? faultOf[fault] : { kind: "none" };
    };
    let store = openMemoryStore(database, { faults });
    return {
      store,
      reopen: async () => {
        await store.close();
        store = openMemoryStore(database, { faults });
        return store;
      },
      inject: {
        offers: ["written_timeout", "unwritten_timeout", "unavailable", "throttled", "read_unavailable"],
        arm: (next) => {
          fault = next;
        },
        disarm: () => {
          fault = undefined;
        },
      },
      dispose: () => store.close(),
    };
  },
  { runs: 200, lagMs: 100 },
);
