import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  PutItemCommand,
} from "@aws-sdk/client-dynamodb";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { dynamoServerForTests } from "#test/support/dynamodb-server.ts";
import { tableDefinition, tableNames } from "../tables.ts";
import { createTableInputs, FEED_ORDER_TABLE, openDynamoStore, TableMismatchError } from "./index.ts";

describe("dynamodb table inputs", () => {
  it("derive every declared table, its keys and its indexes, and the engine's own", () => {
    const inputs = createTableInputs({ tablePrefix: "staging-" });
    assert.deepEqual(
      inputs.map(({ create }) => create.TableName).toSorted(),
      [...tableNames, FEED_ORDER_TABLE].map((name) => `staging-${name}`).toSorted(),
    );
    for (const name of tableNames) {
      const definition = tableDefinition(name);
      const input = inputs.find(({ create }) => create.TableName === `staging-${name}`);
      assert.equal(input?.ttl, definition.ttl);
      const { create } = input ?? assert.fail(name);
      assert.equal(create.BillingMode, "PAY_PER_REQUEST");
      assert.deepEqual(
        create.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema }) => [
          IndexName,
          ...(KeySchema ?? []).map((key) => key.AttributeName),
        ]) ?? [],
        definition.indexes.map((index) => [index.name, index.hash, index.range]),
      );
      // DynamoDB refuses attribute definitions that no key uses, and keys that no definition covers.
      const used = [create, ...(create.GlobalSecondaryIndexes ?? [])].flatMap(({ KeySchema }) =>
        (KeySchema ?? []).map((key) => String(key.AttributeName)),
      );
      assert.deepEqual(create.AttributeDefinitions?.map((a) => a.AttributeName).toSorted(), [...new Set(used)].toSorted());
      assert.equal(create.StreamSpecification?.StreamEnabled, name === "smartfinance-audit-logs" ? true : undefined);
    }
  });

  it("take deletion protection and a key of the account", () => {
    for (const { create } of createTableInputs({ deletionProtection: true, kmsKeyId: "alias/store" })) {
      assert.equal(create.DeletionProtectionEnabled, true);
      assert.deepEqual(create.SSESpecification, { Enabled: true, SSEType: "KMS", KMSMasterKeyId: "alias/store" });
    }
    assert.equal(createTableInputs()[0]?.create.SSESpecification, undefined);
  });
});

const server = await dynamoServerForTests({ durable: false });

if (server !== undefined) {
  describe("dynamodb opening", () => {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const connection = { endpoint: server.endpoint, region: "eu-central-1", credentials };
    let client: DynamoDBClient;
    before(() => {
      client = new DynamoDBClient(connection);
    });
    after(() => client.destroy());
    const open = (tablePrefix: string, createTables: boolean) =>
      openDynamoStore({ ...connection, tablePrefix, createTables, clock: systemClock, random: systemRandom() });

    it("creates what is missing, time to live and stream included, and opens it again without creating", async () => {
      const tablePrefix = `tables-${process.pid}-a-`;
      const stores = await Promise.all([open(tablePrefix, true), open(tablePrefix, true)]);
      for (const store of stores) await store.close();
      const TableName = `${tablePrefix}smartfinance-idempotency`;
      const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
      assert.deepEqual(TimeToLiveDescription, { AttributeName: "expires_at", TimeToLiveStatus: "ENABLED" });
      const feed = await client.send(new DescribeTableCommand({ TableName: `${tablePrefix}smartfinance-audit-logs` }));
      assert.ok(feed.Table?.LatestStreamArn !== undefined);
      const again = await open(tablePrefix, false);
      await again.ping();
      await again.close();
    });

    it("refuses to open without its tables, naming one", async () => {
      await assert.rejects(open(`tables-${process.pid}-b-`, false), (error) => {
        assert.ok(error instanceof TableMismatchError);
        assert.match(error.message, /smartfinance-[a-z-]+ is missing/);
        return true;
      });
    });

    it("adds the indexes that a table of an earlier release lacks, where it may, with the items of before in them", async () => {
      const tablePrefix = `tables-${process.pid}-i-`;
      await (await open(tablePrefix, true)).close();
      const name = "smartfinance-users";
      const { create } = createTableInputs({ tablePrefix }).find((input) => input.create.TableName === tablePrefix + name) ?? assert.fail();
      await client.send(new DeleteTableCommand({ TableName: create.TableName }));
      const bare = {
        ...create,
        GlobalSecondaryIndexes: undefined,
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" as const }],
      };
      await client.send(new CreateTableCommand(bare));
      const item = { id: { S: "usr_before" }, organisation_id: { S: "org_1" }, version: { N: "1" } };
      await client.send(new PutItemCommand({ TableName: create.TableName, Item: item }));
      await assert.rejects(open(tablePrefix, false), /lacks the index OrganisationUsersIndex/);
      const stores = await Promise.all([open(tablePrefix, true), open(tablePrefix, true)]);
      const query = { table: name, index: "OrganisationUsersIndex", hash: "org_1", order: "ascending", limit: 5 } as const;
      for (const store of stores) {
        assert.deepEqual(
          (await store.query(query)).items.map(({ id }) => id),
          ["usr_before"],
        );
        await store.close();
      }
    });

    const wrong: readonly [string, string, RegExp, (create: ReturnType<typeof createTableInputs>[number]["create"]) => object][] = [
      [
        "another key",
        "smartfinance-meta",
        /keyed other \(HASH\) instead of id \(HASH\)/,
        (create) => ({
          ...create,
          KeySchema: [{ AttributeName: "other", KeyType: "HASH" }],
          AttributeDefinitions: [{ AttributeName: "other", AttributeType: "S" }],
        }),
      ],
      ["no stream", "smartfinance-audit-logs", /has no stream/, (create) => ({ ...create, StreamSpecification: undefined })],
      [
        "a number for a key",
        "smartfinance-meta",
        /does not declare id as a string/,
        (create) => ({ ...create, AttributeDefinitions: [{ AttributeName: "id", AttributeType: "N" }] }),
      ],
    ];
    for (const [index, [name, table, message, change]] of wrong.entries()) {
      it(`refuses a table with ${name}, also when it may create tables`, async () => {
        const tablePrefix = `tables-${process.pid}-w${index}-`;
        const store = await open(tablePrefix, true);
        await store.close();
        const { create } =
          createTableInputs({ tablePrefix }).find((input) => input.create.TableName === tablePrefix + table) ?? assert.fail();
        await client.send(new DeleteTableCommand({ TableName: create.TableName }));
        await client.send(new CreateTableCommand(change(create) as typeof create));
        for (const createTables of [false, true]) {
          await assert.rejects(
            open(tablePrefix, createTables),
            (error) => error instanceof TableMismatchError && message.test(error.message),
          );
        }
      });
    }
  });
}
