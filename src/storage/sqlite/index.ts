export { StoreOwnedError } from "./files.ts";
export { openSqliteReader, openSqliteReadOnly } from "./read-only.ts";
export { StoreSchemaError } from "./schema.ts";
export { openSqliteStore, type SqliteOptions, type SqliteStore } from "./store.ts";
