import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  type KeySchemaElement,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import type { Clock } from "#kernel/clock.ts";
import { StoreUnavailableError } from "../port.ts";
import type { TableInput } from "./schema.ts";

/** Thrown at the opening when the tables are not those that this version of the product declares. */
export class TableMismatchError extends Error {
  override readonly name = "TableMismatchError";
}

/** Waits for a table in all: 10 × 0.1 s, then 1 s each, about two minutes. */
const WAITS_MAX = 130;
const QUICK_WAITS = 10;

/**
 * Creates a table unless it exists.
 * @returns whether this call created it.
 */
export async function createTable(client: DynamoDBClient, input: TableInput): Promise<boolean> {
  try {
    await client.send(new CreateTableCommand(input.create));
    return true;
  } catch (error) {
    if (error instanceof ResourceInUseException) return false;
    throw error;
  }
}

/** Indexes of one table that are added at one opening at most. */
const INDEXES_MAX = 20;

/**
 * Adds the indexes that a table of an earlier release lacks, one after the other as DynamoDB wants it. Called only for
 * tables that this process may create. Other processes may be doing the same.
 * @throws StoreUnavailableError when DynamoDB is still filling an index; it goes on doing so, and a later opening finds it.
 */
export async function addIndexes(client: DynamoDBClient, clock: Clock, { create }: TableInput): Promise<void> {
  for (let added = 0; added < INDEXES_MAX; added++) {
    const table = await settled(client, clock, create.TableName);
    const there = new Set((table.GlobalSecondaryIndexes ?? []).map(({ IndexName }) => IndexName));
    const missing = create.GlobalSecondaryIndexes?.find(({ IndexName }) => !there.has(IndexName));
    if (missing === undefined) return;
    const declared = new Map((table.AttributeDefinitions ?? []).map((attribute) => [attribute.AttributeName, attribute]));
    for (const { AttributeName } of missing.KeySchema ?? []) {
      const wanted = create.AttributeDefinitions?.find((attribute) => attribute.AttributeName === AttributeName);
      if (wanted !== undefined && !declared.has(AttributeName)) declared.set(AttributeName, wanted);
    }
    try {
      await client.send(
        new UpdateTableCommand({
          TableName: create.TableName,
          AttributeDefinitions: [...declared.values()],
          GlobalSecondaryIndexUpdates: [{ Create: missing }],
        }),
      );
    } catch (error) {
      // Another process that opens the same table may have been quicker: the next round sees what it did.
      const now = await describe(client, create.TableName);
      if (!now.GlobalSecondaryIndexes?.some(({ IndexName }) => IndexName === missing.IndexName)) throw error;
    }
  }
}

/** The table once it and its indexes are at rest. */
async function settled(client: DynamoDBClient, clock: Clock, name: string): Promise<TableDescription> {
  for (let wait = 0; wait < WAITS_MAX; wait++) {
    const table = await describe(client, name);
    const busy = table.TableStatus !== "ACTIVE" || (table.GlobalSecondaryIndexes ?? []).some(({ IndexStatus }) => IndexStatus !== "ACTIVE");
    if (!busy) return table;
    await clock.sleep(wait < QUICK_WAITS ? 100 : 1_000);
  }
  throw new StoreUnavailableError(`table ${name} did not come to rest in time; an index may still be filled`);
}

/**
 * Waits until the table and its indexes are active, then checks keys, indexes and stream.
 * @throws TableMismatchError when the table is missing or differs, StoreUnavailableError when it is not active in time.
 */
export async function verifyTable(client: DynamoDBClient, clock: Clock, input: TableInput): Promise<TableDescription> {
  const name = input.create.TableName;
  for (let wait = 0; wait < WAITS_MAX; wait++) {
    const table = await describe(client, name);
    const indexes = table.GlobalSecondaryIndexes ?? [];
    const active = table.TableStatus === "ACTIVE" || table.TableStatus === "UPDATING";
    if (active && indexes.every(({ IndexStatus }) => IndexStatus !== "CREATING")) {
      const fault = faultOf(table, input);
      if (fault !== undefined) throw new TableMismatchError(`table ${name} ${fault}`);
      return table;
    }
    await clock.sleep(wait < QUICK_WAITS ? 100 : 1_000);
  }
  throw new StoreUnavailableError(`table ${name} did not become active in time`);
}

async function describe(client: DynamoDBClient, name: string): Promise<TableDescription> {
  try {
    const { Table = {} } = await client.send(new DescribeTableCommand({ TableName: name }));
    return Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) {
      throw new TableMismatchError(`table ${name} is missing; create it or open the store with createTables`, { cause: error });
    }
    throw error;
  }
}

/** Switches the time to live on where the table has one. Called only for tables that this process may create. */
export async function enableTimeToLive(client: DynamoDBClient, input: TableInput): Promise<void> {
  const { ttl, create } = input;
  if (ttl === undefined || (await hasTimeToLive(client, create.TableName))) return;
  try {
    const TimeToLiveSpecification = { AttributeName: ttl, Enabled: true };
    await client.send(new UpdateTimeToLiveCommand({ TableName: create.TableName, TimeToLiveSpecification }));
  } catch (error) {
    // Another process that opens the same new tables may have been quicker.
    if (!(await hasTimeToLive(client, create.TableName))) throw error;
  }
}

async function hasTimeToLive(client: DynamoDBClient, TableName: string): Promise<boolean> {
  const { TimeToLiveDescription: now } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
  return now?.TimeToLiveStatus === "ENABLED" || now?.TimeToLiveStatus === "ENABLING";
}

function faultOf(table: TableDescription, { create }: TableInput): string | undefined {
  if (!sameKey(table.KeySchema, create.KeySchema)) return `is keyed ${keyText(table.KeySchema)} instead of ${keyText(create.KeySchema)}`;
  for (const wanted of create.GlobalSecondaryIndexes ?? []) {
    const index = table.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === wanted.IndexName);
    if (index === undefined) return `lacks the index ${wanted.IndexName}`;
    if (!sameKey(index.KeySchema, wanted.KeySchema)) return `has an index ${wanted.IndexName} keyed ${keyText(index.KeySchema)}`;
    if (index.Projection?.ProjectionType !== "ALL") return `has an index ${wanted.IndexName} that does not project all attributes`;
  }
  const strings = new Set((table.AttributeDefinitions ?? []).flatMap((a) => (a.AttributeType === "S" ? [a.AttributeName] : [])));
  const other = create.AttributeDefinitions?.find(({ AttributeName }) => !strings.has(AttributeName));
  if (other !== undefined) return `does not declare ${other.AttributeName} as a string`;
  if (create.StreamSpecification !== undefined && table.StreamSpecification?.StreamEnabled !== true) return "has no stream";
  return undefined;
}

function keyText(key: readonly KeySchemaElement[] | undefined): string {
  return (key ?? []).map(({ AttributeName, KeyType }) => `${AttributeName} (${KeyType})`).join(", ");
}

function sameKey(a: readonly KeySchemaElement[] | undefined, b: readonly KeySchemaElement[] | undefined): boolean {
  return keyText(a) === keyText(b);
}
