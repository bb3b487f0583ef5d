import type { CreateTableCommandInput, KeySchemaElement } from "@aws-sdk/client-dynamodb";
import { FEED_TABLE, type TableDefinition, tableDefinition, tableNames } from "../tables.ts";

/**
 * A table of this engine's own, beside the declared ones: the order of the feed (feed-order.ts). Other
 * engines get that order from their row numbers.
 */
export const FEED_ORDER_TABLE = "smartfinance-feed-order";
export const feedOrderDefinition: TableDefinition = { hash: "log", range: "position", indexes: [] };

export interface TableOptions {
  /** Put before every table's name, e.g. `staging-`. */
  readonly tablePrefix?: string;
  /** Refuses `DeleteTable` until it is switched off. Default false. */
  readonly deletionProtection?: boolean;
  /** Encryption under a KMS key of the account: its id or ARN. Left out: under a key that AWS owns. */
  readonly kmsKeyId?: string;
}

/** A table as it is to be created, with what `CreateTable` cannot say. */
export interface TableInput {
  readonly create: CreateTableCommandInput & { readonly TableName: string };
  /** The attribute of the time to live, which takes an `UpdateTimeToLive` of its own. */
  readonly ttl?: string;
}

/** Every table of the store, derived from the declarations: on demand, with the feed table's stream. */
export function createTableInputs(options: TableOptions = {}): readonly TableInput[] {
  return [
    ...tableNames.map((name) => tableInput(name, tableDefinition(name), options)),
    tableInput(FEED_ORDER_TABLE, feedOrderDefinition, options),
  ];
}

function tableInput(name: string, definition: TableDefinition, options: TableOptions): TableInput {
  const { tablePrefix = "", deletionProtection = false, kmsKeyId } = options;
  const attributes = new Set(
    [definition, ...definition.indexes].flatMap(({ hash, range }) => (range === undefined ? [hash] : [hash, range])),
  );
  const create: TableInput["create"] = {
    TableName: tablePrefix + name,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [...attributes].map((attribute) => ({ AttributeName: attribute, AttributeType: "S" })),
    KeySchema: keySchema(definition),
    DeletionProtectionEnabled: deletionProtection,
    ...(definition.indexes.length === 0
      ? {}
      : {
          GlobalSecondaryIndexes: definition.indexes.map((index) => ({
            IndexName: index.name,
            KeySchema: keySchema(index),
            Projection: { ProjectionType: "ALL" },
          })),
        }),
    // The reader needs the keys only; whole images serve whatever else is attached to the stream.
    ...(name === FEED_TABLE ? { StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_IMAGE" } } : {}),
    ...(kmsKeyId === undefined ? {} : { SSESpecification: { Enabled: true, SSEType: "KMS", KMSMasterKeyId: kmsKeyId } }),
  };
  return definition.ttl === undefined ? { create } : { create, ttl: definition.ttl };
}

function keySchema({ hash, range }: { readonly hash: string; readonly range?: string }): KeySchemaElement[] {
  const key: KeySchemaElement[] = [{ AttributeName: hash, KeyType: "HASH" }];
  if (range !== undefined) key.push({ AttributeName: range, KeyType: "RANGE" });
  return key;
}
