import { hash } from "node:crypto";
import { isIPv4 } from "node:net";
import type { TlsFiles } from "#http/index.ts";
import type { WitnessAddress } from "#log/index.ts";
import { isKeyName, parseVkey } from "#log/index.ts";

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
  /** What wraps data keys. */
  readonly kms: { readonly engine: "local" } | { readonly engine: "aws"; readonly keyId: string; readonly endpoint: string | undefined };
  /** Whether an empty store is given a demo organisation. */
  readonly demo: boolean;
  readonly environment: "test" | "live";
  readonly logLevel: string;
  /** Whether audit events also go to standard output, a JSON line each. */
  readonly auditLog: boolean;
  readonly trustedProxyHops: number;
  /** Nodes over the same store; each grants its part of every request quota. */
  readonly nodes: number;
  /** Bad keys from one address in a minute, after which its requests are turned away unseen. */
  readonly authFailuresPerMinute: number;
  readonly shutdownGraceMs: number;
  /** Undefined: the listener is a plain one. */
  readonly tls: TlsFiles | undefined;
  /** A proxy in front speaks TLS with the clients. */
  readonly tlsTerminatedByProxy: boolean;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Whether webhooks may go to http and to this machine. */
  readonly webhookDevelopment: boolean;
  readonly maxStreams: number;
  readonly maxStreamsPerKey: number;
  /** Who passkeys are made for (WebAuthn), and whose pages may use them. */
  readonly relyingParty: { readonly id: string; readonly name: string; readonly origins: readonly string[] };
  /** How old an event may be that is not sealed before that is told, ms. */
  readonly auditAlarmMs: number;
  /** Where audit events are copied to; undefined: not there. */
  readonly auditSinks: {
    readonly cloudwatch:
      | { readonly group: string; readonly stream: string; readonly region: string | undefined; readonly endpoint: string | undefined }
      | undefined;
    readonly s3:
      | {
          readonly bucket: string;
          readonly prefix: string;
          readonly region: string | undefined;
          readonly endpoint: string | undefined;
          readonly mode: "COMPLIANCE" | "GOVERNANCE";
          readonly retentionDays: number;
          readonly everyMs: number;
        }
      | undefined;
  };
  readonly auditTree: {
    /** What a new audit log is called; a name of its own where undefined. */
    readonly origin: string | undefined;
    /** Who cosigns its checkpoints. */
    readonly witnesses: readonly WitnessAddress[];
  };
}

/** A setting whose value cannot be used: its message is the one line the operator sees. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const PREFIX = "SMARTFINANCE_";
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** Every setting, its default, and what it means; the README shows them. */
export const settings = {
  HOST: { initial: "127.0.0.1", about: "Address to listen on" },
  PORT: { initial: "8080", about: "Port to listen on; 0 takes a free one" },
  DATA_DIR: { initial: "data", about: "Folder of the SQLite file and the local key file" },
  STORE: { initial: "sqlite", about: "sqlite or dynamodb" },
  DYNAMODB_ENDPOINT: { initial: "", about: "DynamoDB endpoint; empty for AWS itself" },
  DYNAMODB_REGION: { initial: "eu-central-1", about: "AWS region" },
  TABLE_PREFIX: { initial: "", about: "Prefix of the DynamoDB tables' names" },
  CREATE_TABLES: { initial: "true", about: "Create missing DynamoDB tables at start" },
  KMS: { initial: "local", about: "local (a key file in DATA_DIR) or aws: what wraps data keys" },
  KMS_KEY_ID: { initial: "", about: "Id, ARN or alias of the AWS KMS key; region and credentials as every AWS tool finds them" },
  KMS_ENDPOINT: { initial: "", about: "AWS KMS endpoint; empty for the region's own" },
  DEMO: { initial: "true", about: "Fill an empty store with a demo organisation and print its key" },
  ENVIRONMENT: { initial: "test", about: "test or live: the kind of the API keys issued" },
  LOG_LEVEL: { initial: "info", about: LOG_LEVELS.join(", ") },
  AUDIT_LOG: { initial: "true", about: "Also write audit events to standard output" },
  TRUSTED_PROXY_HOPS: { initial: "0", about: "Proxies in front that append to X-Forwarded-For" },
  NODES: { initial: "1", about: "Nodes over the same store, which share every request quota between them" },
  AUTH_FAILURES_PER_MINUTE: { initial: "20", about: "Bad keys from one address in a minute before it is turned away unseen" },
  SHUTDOWN_GRACE_MS: { initial: "10000", about: "How long accepted requests may take to finish after SIGTERM" },
  TLS_CERT_FILE: { initial: "", about: "Certificate chain of the server, PEM; with it the listener speaks TLS and nothing else" },
  TLS_KEY_FILE: { initial: "", about: "Private key of the certificate, PEM, not encrypted" },
  TLS_CLIENT_CA_FILE: { initial: "", about: "Authorities of client certificates, PEM; empty asks for none" },
  TLS_CLIENT_CERTIFICATE: {
    initial: "optional",
    about: "optional or required: whether a connection without a client certificate is closed",
  },
  TLS_MIN_VERSION: { initial: "1.2", about: "1.2 or 1.3" },
  TLS_TERMINATED_BY_PROXY: {
    initial: "false",
    about: "A proxy in front speaks TLS; allows plain HTTP on any address where ENVIRONMENT is live",
  },
  MAX_CONNECTIONS: { initial: "10000", about: "Connections at once; further ones are closed" },
  RP_ID: { initial: "localhost", about: "Domain that passkeys are made for; it cannot be changed later without losing them" },
  RP_NAME: { initial: "SmartFinance", about: "What authenticators show beside it, and who issues one-time codes" },
  RP_ORIGINS: { initial: "", about: "Origins of pages that may use passkeys, separated by commas; empty is http://localhost and PORT" },
  AUDIT_ORIGIN: { initial: "", about: "What the audit log is called in its checkpoints, once, when it begins; empty makes up a name" },
  AUDIT_WITNESSES: { initial: "", about: "Who cosigns checkpoints: `<verifier key> <url>`, several separated by commas" },
  AUDIT_ALARM_SECONDS: { initial: "60", about: "Age of the oldest unsealed audit event from which it is told, in the log and by /readyz" },
  AUDIT_CLOUDWATCH_GROUP: { initial: "", about: "Log group of CloudWatch Logs that audit events are copied to; empty: not there" },
  AUDIT_CLOUDWATCH_STREAM: { initial: "smartfinance-audit", about: "Its log stream; made where it is missing" },
  AUDIT_CLOUDWATCH_REGION: { initial: "", about: "Its AWS region; empty, as credentials: as every AWS tool finds it" },
  AUDIT_CLOUDWATCH_ENDPOINT: { initial: "", about: "CloudWatch Logs endpoint; empty for the region's own" },
  AUDIT_S3_BUCKET: { initial: "", about: "Bucket with object lock that the sealed audit log is exported to; empty: not there" },
  AUDIT_S3_PREFIX: { initial: "audit/", about: "What the keys of its objects begin with; empty or ending in a slash" },
  AUDIT_S3_REGION: { initial: "", about: "Its AWS region; empty, as credentials: as every AWS tool finds it" },
  AUDIT_S3_ENDPOINT: { initial: "", about: "S3 endpoint; empty for the region's own" },
  AUDIT_S3_MODE: { initial: "COMPLIANCE", about: "COMPLIANCE or GOVERNANCE: who can shorten the lock of an object" },
  AUDIT_S3_RETENTION_DAYS: { initial: "400", about: "How long an object is locked" },
  AUDIT_S3_EVERY_SECONDS: { initial: "300", about: "How long a sealed event may wait for its object" },
  WEBHOOK_DEVELOPMENT: { initial: "false", about: "Lets webhooks go to http and to this machine; refused where ENVIRONMENT is live" },
  MAX_STREAMS: { initial: "1000", about: "Open event streams of this node at once" },
  MAX_STREAMS_PER_KEY: { initial: "10", about: "Open event streams of one API key at once" },
  MAX_CONNECTIONS_PER_ADDRESS: { initial: "1000", about: "Connections at once of one address; not looked at behind trusted proxies" },
} as const;

type Name = keyof typeof settings;

/** The settings of this process, for a program beside the server. @throws ConfigError */
export const configOfProcess = (): Config => readConfig(process.env);

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
  const kmsEngine = oneOf("KMS", ["local", "aws"]);
  const kmsEndpoint = text("KMS_ENDPOINT");
  if (kmsEndpoint !== "" && !(/^https?:\/\//.test(kmsEndpoint) && URL.canParse(kmsEndpoint))) fail("KMS_ENDPOINT", "an http or https URL");
  if (!/^[A-Za-z0-9:/_-]{0,2048}$/.test(text("KMS_KEY_ID"))) fail("KMS_KEY_ID", "the id, ARN or alias of a key");
  if (kmsEngine === "aws" && text("KMS_KEY_ID") === "") fail("KMS_KEY_ID", `set where ${PREFIX}KMS is aws`);
  const tablePrefix = text("TABLE_PREFIX");
  if (!/^[A-Za-z0-9_.-]{0,64}$/.test(tablePrefix)) fail("TABLE_PREFIX", "at most 64 letters, digits, dots, dashes or underscores");
  const host = filled("HOST");
  const environment = oneOf("ENVIRONMENT", ["test", "live"]);
  const tls = tlsFiles();
  const tlsTerminatedByProxy = flag("TLS_TERMINATED_BY_PROXY");
  if (environment === "live" && tls === undefined && !tlsTerminatedByProxy && !isLoopback(host))
    throw new ConfigError(
      `${PREFIX}HOST is ${JSON.stringify(host)}, where live keys and personal data would travel in the clear: set ${PREFIX}TLS_CERT_FILE and ` +
        `${PREFIX}TLS_KEY_FILE, or ${PREFIX}TLS_TERMINATED_BY_PROXY=true behind a proxy that speaks TLS`,
    );
  return {
    host,
    port: integer("PORT", 0, 65535),
    dataDir: filled("DATA_DIR"),
    store: oneOf("STORE", ["sqlite", "dynamodb"]),
    dynamodb: {
      endpoint: endpoint === "" ? undefined : endpoint,
      region: filled("DYNAMODB_REGION"),
      tablePrefix,
      createTables: flag("CREATE_TABLES"),
    },
    kms:
      kmsEngine === "local"
        ? { engine: kmsEngine }
        : { engine: kmsEngine, keyId: text("KMS_KEY_ID"), endpoint: kmsEndpoint === "" ? undefined : kmsEndpoint },
    demo: flag("DEMO"),
    environment,
    logLevel: oneOf("LOG_LEVEL", LOG_LEVELS),
    auditLog: flag("AUDIT_LOG"),
    trustedProxyHops: integer("TRUSTED_PROXY_HOPS", 0, 10),
    nodes: integer("NODES", 1, 1000),
    authFailuresPerMinute: integer("AUTH_FAILURES_PER_MINUTE", 1, 100_000_000),
    shutdownGraceMs: integer("SHUTDOWN_GRACE_MS", 0, 600_000),
    tls,
    tlsTerminatedByProxy,
    maxConnections: integer("MAX_CONNECTIONS", 1, 1_000_000),
    maxConnectionsPerAddress: integer("MAX_CONNECTIONS_PER_ADDRESS", 1, 1_000_000),
    webhookDevelopment: webhookDevelopment(),
    maxStreams: integer("MAX_STREAMS", 1, 100_000),
    maxStreamsPerKey: integer("MAX_STREAMS_PER_KEY", 1, 100_000),
    relyingParty: relyingParty(),
    auditTree: { origin: origin(), witnesses: witnesses() },
    auditAlarmMs: 1_000 * integer("AUDIT_ALARM_SECONDS", 5, 86_400),
    auditSinks: { cloudwatch: cloudwatch(), s3: s3() },
  };

  function url(name: Name): string | undefined {
    const value = text(name);
    if (value === "") return undefined;
    return /^https?:\/\//.test(value) && URL.canParse(value) ? value : fail(name, "an http or https URL");
  }

  function matching(name: Name, pattern: RegExp, wanted: string): string {
    return pattern.test(text(name)) ? text(name) : fail(name, wanted);
  }

  function region(name: Name): string | undefined {
    const value = matching(name, /^(?:[a-z]{2,}(?:-[a-z]+)+-\d{1,2})?$/, "an AWS region such as eu-central-1, or empty");
    return value === "" ? undefined : value;
  }

  /** Every value is judged, also where the sink is not set up: a mistake is found when it is made. */
  function cloudwatch(): Config["auditSinks"]["cloudwatch"] {
    const group = matching("AUDIT_CLOUDWATCH_GROUP", /^[A-Za-z0-9_\-/.#]{0,512}$/, "the name of a log group");
    const stream = matching(
      "AUDIT_CLOUDWATCH_STREAM",
      /^[^:*\s]{1,512}$/,
      "the name of a log stream, without colons, asterisks and spaces",
    );
    const where = { region: region("AUDIT_CLOUDWATCH_REGION"), endpoint: url("AUDIT_CLOUDWATCH_ENDPOINT") };
    return group === "" ? undefined : { group, stream, ...where };
  }

  function s3(): Config["auditSinks"]["s3"] {
    const bucket = matching("AUDIT_S3_BUCKET", /^(?:[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$/, "the name of a bucket");
    const prefix = matching(
      "AUDIT_S3_PREFIX",
      /^(?:[A-Za-z0-9!_.*'()-][A-Za-z0-9!_.*'()/-]{0,254}\/)?$/,
      "empty or a path that ends in a slash",
    );
    const where = { region: region("AUDIT_S3_REGION"), endpoint: url("AUDIT_S3_ENDPOINT") };
    const kept = {
      mode: oneOf("AUDIT_S3_MODE", ["COMPLIANCE", "GOVERNANCE"]),
      retentionDays: integer("AUDIT_S3_RETENTION_DAYS", 1, 36_500),
      everyMs: 1_000 * integer("AUDIT_S3_EVERY_SECONDS", 1, 86_400),
    };
    return bucket === "" ? undefined : { bucket, prefix, ...where, ...kept };
  }

  function relyingParty(): Config["relyingParty"] {
    const id = text("RP_ID");
    // An address is no domain, and a name without a dot is nobody's but this machine's.
    if (id !== "localhost" && !/^(?!.*\.\d+$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/.test(id))
      fail("RP_ID", "localhost, or a domain name in lower case such as bank.example");
    const listed = text("RP_ORIGINS") === "" ? [`http://localhost:${text("PORT")}`] : text("RP_ORIGINS").split(",");
    const origins = listed.map((entry) => entry.trim());
    const wanted = `a list of origins such as https://pay.bank.example, each https (or http://localhost) and ${id} or below it`;
    for (const entry of text("RP_ORIGINS") === "" ? [] : origins) {
      const url = URL.canParse(entry) ? new URL(entry) : undefined;
      if (url === undefined || url.origin !== entry) return fail("RP_ORIGINS", wanted);
      const secure = url.protocol === "https:" || (url.protocol === "http:" && url.hostname === "localhost");
      if (!secure || (url.hostname !== id && !url.hostname.endsWith(`.${id}`))) return fail("RP_ORIGINS", wanted);
    }
    return { id, name: filled("RP_NAME").trim(), origins };
  }

  function origin(): string | undefined {
    const name = text("AUDIT_ORIGIN");
    if (name === "") return undefined;
    return isKeyName(name) ? name : fail("AUDIT_ORIGIN", "a name without spaces and plus signs, such as bank.example/audit");
  }

  function witnesses(): readonly WitnessAddress[] {
    const listed = text("AUDIT_WITNESSES").split(",");
    if (listed.length === 1 && listed[0]?.trim() === "") return [];
    const wanted = "a list of `<verifier key> <url>`";
    return listed.map((entry) => {
      const [vkey = "", url = "", ...rest] = entry.trim().split(/ +/);
      const verifier = parseVkey(vkey);
      if (verifier?.type !== "cosignature" || rest.length > 0 || !/^https?:\/\//.test(url) || !URL.canParse(url))
        return fail("AUDIT_WITNESSES", wanted);
      return { verifier, url };
    });
  }

  function webhookDevelopment(): boolean {
    const allowed = flag("WEBHOOK_DEVELOPMENT");
    return allowed && environment === "live" ? fail("WEBHOOK_DEVELOPMENT", `false where ${PREFIX}ENVIRONMENT is live`) : allowed;
  }

  function tlsFiles(): TlsFiles | undefined {
    const certificateFile = text("TLS_CERT_FILE");
    const keyFile = text("TLS_KEY_FILE");
    const clientCaFile = text("TLS_CLIENT_CA_FILE");
    const clientCertificate = oneOf("TLS_CLIENT_CERTIFICATE", ["optional", "required"]);
    const minVersion = `TLSv${oneOf("TLS_MIN_VERSION", ["1.2", "1.3"])}` as const;
    if (certificateFile === "" && keyFile !== "") fail("TLS_CERT_FILE", `set together with ${PREFIX}TLS_KEY_FILE`);
    if (certificateFile !== "" && keyFile === "") fail("TLS_KEY_FILE", `set together with ${PREFIX}TLS_CERT_FILE`);
    if (certificateFile === "" && clientCaFile !== "") fail("TLS_CLIENT_CA_FILE", `empty without ${PREFIX}TLS_CERT_FILE`);
    if (clientCaFile === "" && clientCertificate === "required")
      fail("TLS_CLIENT_CERTIFICATE", `optional without ${PREFIX}TLS_CLIENT_CA_FILE`);
    if (certificateFile === "") return undefined;
    return { certificateFile, keyFile, clientCaFile: clientCaFile === "" ? undefined : clientCaFile, clientCertificate, minVersion };
  }
}

/** SHA-256 of all settings as they take effect, in hex: tells that two starts had the same, or not. No setting is a secret. */
export function settingsDigest(env: Readonly<Record<string, string | undefined>>): string {
  const effective = Object.entries(settings).map(([name, { initial }]) => [name, env[PREFIX + name] ?? initial]);
  return hash("sha256", JSON.stringify(effective.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))));
}

/** Whether nobody but this machine can reach an address to listen on. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
