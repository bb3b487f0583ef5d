export { TableMismatchError } from "./provision.ts";
export { openDynamoReadOnly } from "./read-only.ts";
export { createTableInputs, FEED_ORDER_TABLE, type TableInput, type TableOptions } from "./schema.ts";
export { type DynamoStore, type DynamoStoreOptions, openDynamoStore } from "./store.ts";
