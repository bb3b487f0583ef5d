/** Everything the process is configured by. The only reader of the environment. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly store: "sqlite" | "dynamodb";
  readonly dynamodb: {
    readonly endpoint: string | undefined;
    readonly region: string;
    readonly tablePrefix: string;
    readonly createTables: boolean;
  };
  /** Whether an empty store is given a demo organisation. */
  readonly demo: boolean;
  readonly environment: "test" | "live";
  readonly logLevel: string;
  /** Whether audit events also go to standard output, a JSON line each. */
  readonly auditLog: boolean;
  readonly trustedProxyHops: number;
  readonly shutdownGraceMs: number;
}

/** A setting whose value cannot be used: its message is the one line the operator sees. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const PREFIX = "SMARTFINANCE_";
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** Every setting, its default, and what it means: `npm run config` prints this, the README shows it. */
export const settings = {
  HOST: { initial: "127.0.0.1", about: "Address to listen on" },
  PORT: { initial: "8080", about: "Port to listen on; 0 takes a free one" },
  DATA_DIR: { initial: "data", about: "Folder of the SQLite file and the local key file" },
  STORE: { initial: "sqlite", about: "sqlite or dynamodb" },
  DYNAMODB_ENDPOINT: { initial: "", about: "DynamoDB endpoint; empty for AWS itself" },
  DYNAMODB_REGION: { initial: "eu-central-1", about: "AWS region" },
  TABLE_PREFIX: { initial: "", about: "Prefix of the DynamoDB tables' names" },
  CREATE_TABLES: { initial: "true", about: "Create missing DynamoDB tables at start" },
  DEMO: { initial: "true", about: "Fill an empty store with a demo organisation and print its key" },
  ENVIRONMENT: { initial: "test", about: "test or live: the kind of the API keys issued" },
  LOG_LEVEL: { initial: "info", about: LOG_LEVELS.join(", ") },
  AUDIT_LOG: { initial: "true", about: "Also write audit events to standard output" },
  TRUSTED_PROXY_HOPS: { initial: "0", about: "Proxies in front that append to X-Forwarded-For" },
  SHUTDOWN_GRACE_MS: { initial: "10000", about: "How long accepted requests may take to finish after SIGTERM" },
} as const;

type Name = keyof typeof settings;

/**
 * Reads the settings from environment variables `SMARTFINANCE_<NAME>`.
 * @throws ConfigError naming the variable, for a value that cannot be used or a variable nobody knows
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  for (const name of Object.keys(env))
    if (name.startsWith(PREFIX) && !Object.hasOwn(settings, name.slice(PREFIX.length)))
      throw new ConfigError(`${name} is not a setting; there are: ${Object.keys(settings).join(", ")}`);
  const text = (name: Name): string => env[PREFIX + name] ?? settings[name].initial;
  const fail = (name: Name, wanted: string): never => {
    throw new ConfigError(`${PREFIX}${name} must be ${wanted}, not ${JSON.stringify(text(name))}`);
  };
  const integer = (name: Name, min: number, max: number): number => {
    const value = Number(text(name));
    return /^\d{1,9}$/.test(text(name)) && value >= min && value <= max ? value : fail(name, `an integer from ${min} to ${max}`);
  };
  const flag = (name: Name): boolean => (text(name) === "true" ? true : text(name) === "false" ? false : fail(name, "true or false"));
  const oneOf = <T extends string>(name: Name, values: readonly T[]): T =>
    values.find((value) => value === text(name)) ?? fail(name, `one of ${values.join(", ")}`);
  const filled = (name: Name): string => (text(name).trim() === "" ? fail(name, "not empty") : text(name));
  const endpoint = text("DYNAMODB_ENDPOINT");
  if (endpoint !== "" && !(/^https?:\/\//.test(endpoint) && URL.canParse(endpoint))) fail("DYNAMODB_ENDPOINT", "an http or https URL");
  const tablePrefix = text("TABLE_PREFIX");
  if (!/^[A-Za-z0-9_.-]{0,64}$/.test(tablePrefix)) fail("TABLE_PREFIX", "at most 64 letters, digits, dots, dashes or underscores");
  return {
    host: filled("HOST"),
    port: integer("PORT", 0, 65535),
    dataDir: filled("DATA_DIR"),
    store: oneOf("STORE", ["sqlite", "dynamodb"]),
    dynamodb: {
      endpoint: endpoint === "" ? undefined : endpoint,
      region: filled("DYNAMODB_REGION"),
      tablePrefix,
      createTables: flag("CREATE_TABLES"),
    },
    demo: flag("DEMO"),
    environment: oneOf("ENVIRONMENT", ["test", "live"]),
    logLevel: oneOf("LOG_LEVEL", LOG_LEVELS),
    auditLog: flag("AUDIT_LOG"),
    trustedProxyHops: integer("TRUSTED_PROXY_HOPS", 0, 10),
    shutdownGraceMs: integer("SHUTDOWN_GRACE_MS", 0, 600_000),
  };
}
