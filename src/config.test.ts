import assert from "node:assert/strict";
import { describe, it } from "node:test";
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
  TABLE_PREFIX: [
    [
      ["", ""],
      ["prod-1_a.", "prod-1_a."],
      ["a".repeat(64), "a".repeat(64)],
    ],
    ["a b", "ä", "a/b", "a".repeat(65)],
    ({ dynamodb }) => dynamodb.tablePrefix,
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

  void it("has a default for everything", () => {
    assert.deepEqual(readConfig({}), {
      host: "127.0.0.1",
      port: 8080,
      dataDir: "data",
      store: "sqlite",
      dynamodb: { endpoint: undefined, region: "eu-central-1", tablePrefix: "", createTables: true },
      demo: true,
      environment: "test",
      logLevel: "info",
      auditLog: true,
      trustedProxyHops: 0,
      shutdownGraceMs: 10_000,
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
});
