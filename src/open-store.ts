import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import type { Config } from "./config.ts";

/**
 * Opens the configured store. The engines are loaded on demand: the AWS SDK alone costs a third of the start.
 * @param onFatal called when the store no longer knows its own state; the process must stop
 */
export async function openStore(config: Config, clock: Clock, random: Random, onFatal: (error: unknown) => void): Promise<Store> {
  if (config.store === "dynamodb") {
    const { openDynamoStore } = await import("#storage/dynamodb/index.ts");
    const { endpoint, region, tablePrefix, createTables } = config.dynamodb;
    return openDynamoStore({ region, tablePrefix, createTables, clock, random, ...(endpoint === undefined ? {} : { endpoint }) });
  }
  const { openSqliteStore } = await import("#storage/sqlite/index.ts");
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  return openSqliteStore({ file: join(config.dataDir, "smartfinance.db"), onFatal });
}
