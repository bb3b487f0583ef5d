import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { ConfigError } from "./config.ts";

/** What the system says, for the one line an operator sees: which setting to look at, and the system's own word in brackets. */

const LISTEN: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there already: SMARTFINANCE_PORT takes another port",
  EADDRNOTAVAIL: "this machine has no such address: look at SMARTFINANCE_HOST",
  ENOTFOUND: "no address is known by this name: look at SMARTFINANCE_HOST",
  EAI_AGAIN: "no address is known by this name at present: look at SMARTFINANCE_HOST",
  EACCES: "this user may not: SMARTFINANCE_PORT takes a port above 1023",
};
const UNREACHABLE: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"]);
const DATA_DIR: Readonly<Record<string, string>> = {
  EEXIST: "there is a file of this name",
  ENOTDIR: "a part of the path is a file",
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOENT: "the path leads nowhere",
};

/** Why the server could not listen. Errors of another kind are handed back as they are. */
export function listenFailure(error: unknown, { host, port }: Pick<Config, "host" | "port">): unknown {
  const code = codeOf(error);
  const why = LISTEN[code];
  return why === undefined ? error : new ConfigError(`cannot listen on ${host}, port ${port}: ${why} (${code})`, { cause: error });
}

/** Makes the folder of the data. @throws ConfigError when it cannot be made, or is none */
export function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    const why = DATA_DIR[code] ?? "the system refuses";
    throw new ConfigError(`SMARTFINANCE_DATA_DIR ${JSON.stringify(dataDir)} cannot be used as a folder: ${why} (${code})`, {
      cause: error,
    });
  }
}

/** Why the store could not be opened. What an engine says with the name of its file is handed back as it is. */
export function storeFailure(error: unknown, config: Pick<Config, "dataDir" | "store" | "dynamodb">): unknown {
  if (config.store === "sqlite" && error instanceof Error && !error.message.includes(config.dataDir)) {
    const file = join(config.dataDir, "smartfinance.db");
    const said = error.message;
    return new ConfigError(`${file} (folder: SMARTFINANCE_DATA_DIR) cannot be opened as a SQLite database: ${said}`, { cause: error });
  }
  if (config.store === "dynamodb" && error instanceof Error && UNREACHABLE.has(codeOf(error))) {
    const where = config.dynamodb.endpoint ?? `AWS itself, region ${config.dynamodb.region}`;
    const settings = "SMARTFINANCE_DYNAMODB_ENDPOINT, SMARTFINANCE_DYNAMODB_REGION";
    return new ConfigError(`DynamoDB (${where}; ${settings}) cannot be reached: ${error.message}`, { cause: error });
  }
  if (config.store === "dynamodb" && error instanceof Error && error.name === "CredentialsProviderError") {
    const settings = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine";
    return new ConfigError(`DynamoDB asks for AWS credentials, and none were found (${settings}): ${error.message}`, { cause: error });
  }
  return error;
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
