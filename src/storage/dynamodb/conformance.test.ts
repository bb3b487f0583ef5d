import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { cancelled, type Fate, serviceError, startDynamoProxy } from "#test/support/dynamodb-proxy.ts";
import { dynamoServerForTests } from "#test/support/dynamodb-server.ts";
import type { Harness, InjectableFault } from "../conformance/suite.ts";
import { storeConformance } from "../conformance/suite.ts";
import { type DynamoStore, openDynamoStore } from "./index.ts";

const READS = new Set(["GetItem", "BatchGetItem", "Query", "Scan", "DescribeStream", "GetShardIterator", "GetRecords"]);

function fateUnder(fault: InjectableFault, operation: string): Fate {
  const concerned = fault === "read_unavailable" ? READS.has(operation) : operation === "TransactWriteItems";
  if (!concerned) return { kind: "pass" };
  switch (fault) {
    case "written_timeout":
      return { kind: "swallow", delivered: true };
    case "unwritten_timeout":
      return { kind: "swallow", delivered: false };
    case "unavailable":
      return serviceError("ThrottlingException");
    case "throttled":
      return cancelled("None", "TransactionConflict", "None");
    case "read_unavailable":
      return serviceError("InternalServerError", {}, 500);
  }
}

const server = await dynamoServerForTests({ durable: false });
let harnesses = 0;

if (server !== undefined) {
  storeConformance(
    "dynamodb",
    async (): Promise<Harness> => {
      const proxy = await startDynamoProxy(server.endpoint);
      const tablePrefix = `conformance-${process.pid}-${++harnesses}-`;
      const open = (): Promise<DynamoStore> =>
        openDynamoStore({
          endpoint: proxy.endpoint,
          region: "eu-central-1",
          credentials: { accessKeyId: "test", secretAccessKey: "test" },
          tablePrefix,
          clock: systemClock,
          random: systemRandom(),
          createTables: true,
          timeouts: { commitMs: 800 },
        });
      let store = await open();
      return {
        store,
        reopen: async () => {
          await store.close();
          store = await open();
          return store;
        },
        inject: {
          offers: ["written_timeout", "unwritten_timeout", "unavailable", "throttled", "read_unavailable"],
          arm: (fault) => proxy.decide((operation) => fateUnder(fault, operation)),
          disarm: () => proxy.decide(undefined),
        },
        dispose: async () => {
          await store.close();
          await proxy.stop();
        },
      };
    },
    { runs: 5, expiry: "engine" },
  );
}
