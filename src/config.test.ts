import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { signerOf } from "#log/index.ts";
import type { Config } from "./config.ts";
import { ConfigError, readConfig, settings } from "./config.ts";

type Name = keyof typeof settings;
const read = (name: Name, value: string): Config => readConfig({ [`SMARTFINANCE_${name}`]: value });

const flag = (
  pick: (config: Config) => unknown,
): [readonly (readonly [string, unknown])[], readonly string[], (config: Config) => unknown] => [
  [
    ["true", true],
    ["false", false],
  ],
  ["", "yes", "1", "TRUE", " true"],
  pick,
];

const WITNESS = signerOf("witness.example/w1", "cosignature", new Uint8Array(32)).verifier.vkey;
const LOG_KEY = signerOf("bank.example/audit", "signature", new Uint8Array(32)).verifier.vkey;

/** Of each setting: values that are taken and what they become, values that are not, and where it ends up. */
const table: Record<Name, [readonly (readonly [string, unknown])[], readonly string[], (config: Config) => unknown]> = {
  HOST: [
    [
      ["0.0.0.0", "0.0.0.0"],
      ["::1", "::1"],
    ],
    ["", "  "],
    ({ host }) => host,
  ],
  PORT: [
    [
      ["0", 0],
      ["1", 1],
      ["65535", 65535],
    ],
    ["", "65536", "-1", "80.5", "0x50", "1e3", "abc", " 80", "99999999999"],
    ({ port }) => port,
  ],
  WEBHOOK_DEVELOPMENT: [
    [
      ["true", true],
      ["false", false],
    ],
    ["", "yes", "1"],
    ({ webhookDevelopment }) => webhookDevelopment,
  ],
  MAX_STREAMS: [
    [
      ["1", 1],
      ["100000", 100_000],
    ],
    ["", "0", "-1", "100001", "many"],
    ({ maxStreams }) => maxStreams,
  ],
  MAX_STREAMS_PER_KEY: [
    [
      ["1", 1],
      ["100000", 100_000],
    ],
    ["", "0", "-1", "100001", "many"],
    ({ maxStreamsPerKey }) => maxStreamsPerKey,
  ],
  DATA_DIR: [[["/var/lib/smartfinance", "/var/lib/smartfinance"]], ["", " "], ({ dataDir }) => dataDir],
  STORE: [
    [
      ["sqlite", "sqlite"],
      ["dynamodb", "dynamodb"],
    ],
    ["", "SQLite", "postgres", "memory"],
    ({ store }) => store,
  ],
  DYNAMODB_ENDPOINT: [
    [
      ["", undefined],
      ["http://127.0.0.1:8000", "http://127.0.0.1:8000"],
      ["https://dynamodb.example", "https://dynamodb.example"],
    ],
    ["127.0.0.1:8000", "not a url", "localhost:8000", "file:///etc", "ftp://dynamodb.example"],
    ({ dynamodb }) => dynamodb.endpoint,
  ],
  DYNAMODB_REGION: [[["eu-west-1", "eu-west-1"]], ["", " "], ({ dynamodb }) => dynamodb.region],
  KMS: [[["local", "local"]], ["", "AWS", "kms", "aws"], ({ kms }) => kms.engine],
  // What they become with the engine they are for is a test of its own.
  KMS_KEY_ID: [[["alias/smartfinance", "local"]], ["a key", "key;", "schlüssel"], ({ kms }) => kms.engine],
  KMS_ENDPOINT: [[["https://kms.example", "local"]], ["kms.example", "file:///etc", "not a url"], ({ kms }) => kms.engine],
  TABLE_PREFIX: [
    [
      ["", ""],
      ["prod-1_a.", "prod-1_a."],
      ["a".repeat(64), "a".repeat(64)],
    ],
    ["a b", "ä", "a/b", "a".repeat(65)],
    ({ dynamodb }) => dynamodb.tablePrefix,
  ],
  AUDIT_ORIGIN: [
    [
      ["", undefined],
      ["bank.example/audit", "bank.example/audit"],
    ],
    ["a b", "a+b", " "],
    ({ auditTree }) => auditTree.origin,
  ],
  AUDIT_WITNESSES: [
    [
      ["", 0],
      [`${WITNESS} https://witness.example/w1`, 1],
      [`${WITNESS} https://witness.example/w1, ${WITNESS} http://127.0.0.1:7`, 2],
    ],
    [WITNESS, `${WITNESS} witness.example`, `${WITNESS} https://a b`, `x+${WITNESS} https://a`, LOG_KEY, `${LOG_KEY} https://a`, ","],
    ({ auditTree }) => auditTree.witnesses.length,
  ],
  AUDIT_ALARM_SECONDS: [
    [
      ["5", 5_000],
      ["86400", 86_400_000],
    ],
    ["", "4", "-1", "86401", "soon"],
    ({ auditAlarmMs }) => auditAlarmMs,
  ],
  // What they become with a group or a bucket is a test of its own.
  AUDIT_CLOUDWATCH_GROUP: [
    [
      ["", undefined],
      ["/bank/audit", "/bank/audit"],
    ],
    ["a b", "a:b", "ä", "a".repeat(513)],
    ({ auditSinks }) => auditSinks.cloudwatch?.group,
  ],
  AUDIT_CLOUDWATCH_STREAM: [[["node/1", undefined]], ["", "a:b", "a*", "a b"], ({ auditSinks }) => auditSinks.cloudwatch],
  AUDIT_CLOUDWATCH_REGION: [
    [["us-gov-west-1", undefined]],
    ["Frankfurt", "eu-central", "eu central 1"],
    ({ auditSinks }) => auditSinks.cloudwatch,
  ],
  AUDIT_CLOUDWATCH_ENDPOINT: [
    [["https://logs.example", undefined]],
    ["logs.example", "file:///etc"],
    ({ auditSinks }) => auditSinks.cloudwatch,
  ],
  AUDIT_S3_BUCKET: [[["bank-audit", "bank-audit"]], ["ab", "Bank", "a_b", "-ab", "s3://bank"], ({ auditSinks }) => auditSinks.s3?.bucket],
  AUDIT_S3_PREFIX: [[["a/b/", undefined]], ["audit", "/", "/audit/", "a b/"], ({ auditSinks }) => auditSinks.s3],
  AUDIT_S3_REGION: [[["eu-central-1", undefined]], ["Frankfurt", "1"], ({ auditSinks }) => auditSinks.s3],
  AUDIT_S3_ENDPOINT: [[["http://127.0.0.1:9000", undefined]], ["127.0.0.1:9000", "s3://x"], ({ auditSinks }) => auditSinks.s3],
  AUDIT_S3_MODE: [[["GOVERNANCE", undefined]], ["", "compliance", "none"], ({ auditSinks }) => auditSinks.s3],
  AUDIT_S3_RETENTION_DAYS: [[["36500", undefined]], ["", "0", "-1", "36501", "400d"], ({ auditSinks }) => auditSinks.s3],
  AUDIT_S3_EVERY_SECONDS: [[["1", undefined]], ["", "0", "86401"], ({ auditSinks }) => auditSinks.s3],
  RP_ID: [
    [
      ["localhost", "localhost"],
      ["bank.example", "bank.example"],
      ["pay.bank.example", "pay.bank.example"],
    ],
    ["", "bank", "Bank.example", "https://bank.example", "127.0.0.1", "bank.example:443", ".example", "bank..example", "-a.example"],
    ({ relyingParty }) => relyingParty.id,
  ],
  RP_NAME: [[[" Bank ", "Bank"]], ["", "  "], ({ relyingParty }) => relyingParty.name],
  RP_ORIGINS: [
    [
      ["", "http://localhost:8080"],
      ["http://localhost:3000", "http://localhost:3000"],
      ["https://localhost, http://localhost", "https://localhost http://localhost"],
    ],
    [
      "localhost",
      "http://127.0.0.1:8080",
      "https://bank.example",
      "http://app.localhost",
      "http://localhost/",
      "http://LOCALHOST",
      "https://notlocalhost",
      "http://localhost,",
      "ftp://localhost",
    ],
    ({ relyingParty }) => relyingParty.origins.join(" "),
  ],
  CREATE_TABLES: flag(({ dynamodb }) => dynamodb.createTables),
  DEMO: flag(({ demo }) => demo),
  ENVIRONMENT: [
    [
      ["test", "test"],
      ["live", "live"],
    ],
    ["", "prod", "Live"],
    ({ environment }) => environment,
  ],
  LOG_LEVEL: [
    [
      ["silent", "silent"],
      ["trace", "trace"],
    ],
    ["", "loud", "INFO"],
    ({ logLevel }) => logLevel,
  ],
  AUDIT_LOG: flag(({ auditLog }) => auditLog),
  TRUSTED_PROXY_HOPS: [
    [
      ["0", 0],
      ["10", 10],
    ],
    ["", "11", "-1", "1.5"],
    ({ trustedProxyHops }) => trustedProxyHops,
  ],
  NODES: [
    [
      ["1", 1],
      ["1000", 1000],
    ],
    ["", "0", "1001", "-1", "1.5"],
    ({ nodes }) => nodes,
  ],
  AUTH_FAILURES_PER_MINUTE: [
    [
      ["1", 1],
      ["100000000", 100_000_000],
    ],
    ["", "0", "100000001", "-1", "1.5"],
    ({ authFailuresPerMinute }) => authFailuresPerMinute,
  ],
  TLS_CERT_FILE: [[["", undefined]], ["cert.pem"], ({ tls }) => tls],
  TLS_KEY_FILE: [[["", undefined]], ["key.pem"], ({ tls }) => tls],
  TLS_CLIENT_CA_FILE: [[["", undefined]], ["ca.pem"], ({ tls }) => tls],
  TLS_CLIENT_CERTIFICATE: [[["optional", undefined]], ["", "none", "required"], ({ tls }) => tls],
  TLS_MIN_VERSION: [
    [
      ["1.2", undefined],
      ["1.3", undefined],
    ],
    ["", "1.1", "1.0", "TLSv1.2"],
    ({ tls }) => tls,
  ],
  TLS_TERMINATED_BY_PROXY: flag(({ tlsTerminatedByProxy }) => tlsTerminatedByProxy),
  MAX_CONNECTIONS: [
    [
      ["1", 1],
      ["1000000", 1_000_000],
    ],
    ["", "0", "1000001", "-1", "1.5"],
    ({ maxConnections }) => maxConnections,
  ],
  MAX_CONNECTIONS_PER_ADDRESS: [
    [
      ["1", 1],
      ["1000000", 1_000_000],
    ],
    ["", "0", "1000001", "-1", "1.5"],
    ({ maxConnectionsPerAddress }) => maxConnectionsPerAddress,
  ],
  SHUTDOWN_GRACE_MS: [
    [
      ["0", 0],
      ["600000", 600_000],
    ],
    ["", "600001", "-1", "1s"],
    ({ shutdownGraceMs }) => shutdownGraceMs,
  ],
};

void describe("readConfig", () => {
  for (const [name, [good, bad, pick]] of Object.entries(table) as [Name, (typeof table)[Name]][]) {
    void it(`takes ${name} as it should be`, () => {
      for (const [value, becomes] of good) assert.equal(pick(read(name, value)), becomes);
    });
    void it(`refuses ${name} otherwise, naming it in one line`, () => {
      for (const value of bad) {
        assert.throws(
          () => read(name, value),
          (error: unknown) => {
            assert.ok(error instanceof ConfigError, `${name}=${value}`);
            assert.ok(error.message.includes(`SMARTFINANCE_${name}`) && !error.message.includes("\n"), error.message);
            return true;
          },
        );
      }
    });
  }

  void it("takes origins of the relying party's domain and below it, by https only", () => {
    const origins = (listed: string): readonly string[] =>
      readConfig({ SMARTFINANCE_RP_ID: "bank.example", SMARTFINANCE_RP_ORIGINS: listed }).relyingParty.origins;
    assert.deepEqual(origins("https://bank.example,https://pay.bank.example:8443"), [
      "https://bank.example",
      "https://pay.bank.example:8443",
    ]);
    for (const listed of ["http://bank.example", "https://mybank.example", "https://bank.example.evil.example", "http://localhost:8080"])
      assert.throws(() => origins(listed), ConfigError);
  });

  void it("has a default for everything", () => {
    assert.deepEqual(readConfig({}), {
      host: "127.0.0.1",
      port: 8080,
      dataDir: "data",
      store: "sqlite",
      dynamodb: { endpoint: undefined, region: "eu-central-1", tablePrefix: "", createTables: true },
      kms: { engine: "local" },
      demo: true,
      environment: "test",
      logLevel: "info",
      auditTree: { origin: undefined, witnesses: [] },
      auditAlarmMs: 60_000,
      auditSinks: { cloudwatch: undefined, s3: undefined },
      auditLog: true,
      trustedProxyHops: 0,
      nodes: 1,
      authFailuresPerMinute: 20,
      shutdownGraceMs: 10_000,
      tls: undefined,
      tlsTerminatedByProxy: false,
      maxConnections: 10_000,
      maxConnectionsPerAddress: 1_000,
      webhookDevelopment: false,
      maxStreams: 1000,
      maxStreamsPerKey: 10,
      relyingParty: { id: "localhost", name: "SmartFinance", origins: ["http://localhost:8080"] },
    });
    for (const { about } of Object.values(settings)) assert.ok(about.length > 0);
  });

  void it("refuses a variable it does not know, in one line, and ignores what is not its own", () => {
    for (const name of ["SMARTFINANCE_PROT", "SMARTFINANCE_", "SMARTFINANCE_toString", "SMARTFINANCE_constructor", "SMARTFINANCE_port"]) {
      assert.throws(
        () => readConfig({ [name]: "1" }),
        (error: unknown) =>
          error instanceof ConfigError && error.message.startsWith(`${name} is not a setting`) && !error.message.includes("\n"),
      );
    }
    assert.equal(readConfig({ PORT: "1", PATH: "/bin", smartfinance_port: "2" }).port, 8080);
  });

  void it("stays one line whatever the value is", () => {
    assert.throws(
      () => read("PORT", "80\n81"),
      (error: unknown) => error instanceof ConfigError && !error.message.includes("\n"),
    );
  });

  void it("ENC-11: takes the files of TLS together only", () => {
    const both = { SMARTFINANCE_TLS_CERT_FILE: "c.pem", SMARTFINANCE_TLS_KEY_FILE: "k.pem" };
    assert.deepEqual(readConfig(both).tls, {
      certificateFile: "c.pem",
      keyFile: "k.pem",
      clientCaFile: undefined,
      clientCertificate: "optional",
      minVersion: "TLSv1.2",
    });
    const client = { SMARTFINANCE_TLS_CLIENT_CA_FILE: "ca.pem", SMARTFINANCE_TLS_CLIENT_CERTIFICATE: "required" };
    assert.deepEqual(readConfig({ ...both, ...client, SMARTFINANCE_TLS_MIN_VERSION: "1.3" }).tls, {
      certificateFile: "c.pem",
      keyFile: "k.pem",
      clientCaFile: "ca.pem",
      clientCertificate: "required",
      minVersion: "TLSv1.3",
    });
    assert.throws(() => readConfig({ ...both, SMARTFINANCE_TLS_CLIENT_CERTIFICATE: "required" }), ConfigError);
  });

  void it("ENC-11: refuses plain HTTP for live keys where others can reach it", () => {
    const live = { SMARTFINANCE_ENVIRONMENT: "live" };
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "api.example", "127.0.0.1.example", "::ffff:127.0.0.1"]) {
      assert.throws(
        () => readConfig({ ...live, SMARTFINANCE_HOST: host }),
        (error: unknown) => error instanceof ConfigError && /TLS_CERT_FILE/.test(error.message) && !error.message.includes("\n"),
        host,
      );
      for (const allowed of [
        { SMARTFINANCE_TLS_TERMINATED_BY_PROXY: "true" },
        { SMARTFINANCE_TLS_CERT_FILE: "c.pem", SMARTFINANCE_TLS_KEY_FILE: "k.pem" },
      ])
        assert.equal(readConfig({ ...live, SMARTFINANCE_HOST: host, ...allowed }).host, host);
      assert.equal(readConfig({ SMARTFINANCE_HOST: host }).environment, "test");
    }
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
      assert.equal(readConfig({ ...live, SMARTFINANCE_HOST: host }).environment, "live");
  });

  it("takes AWS KMS with a key, and only with one", () => {
    const aws = { SMARTFINANCE_KMS: "aws", SMARTFINANCE_KMS_KEY_ID: "alias/smartfinance" };
    assert.deepEqual(readConfig(aws).kms, { engine: "aws", keyId: "alias/smartfinance", endpoint: undefined });
    const endpoint = "http://127.0.0.1:1";
    assert.deepEqual(readConfig({ ...aws, SMARTFINANCE_KMS_ENDPOINT: endpoint }).kms, {
      engine: "aws",
      keyId: "alias/smartfinance",
      endpoint,
    });
    assert.throws(() => readConfig({ SMARTFINANCE_KMS: "aws" }), /SMARTFINANCE_KMS_KEY_ID/);
  });
});
