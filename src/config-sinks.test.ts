import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readConfig, settingsDigest } from "./config.ts";

void describe("settings of the audit log", () => {
  void it("sets up the audit sinks with a group, and with a bucket", () => {
    const { auditSinks } = readConfig({
      SMARTFINANCE_AUDIT_CLOUDWATCH_GROUP: "/bank/audit",
      SMARTFINANCE_AUDIT_CLOUDWATCH_REGION: "eu-west-1",
      SMARTFINANCE_AUDIT_S3_BUCKET: "bank-audit",
      SMARTFINANCE_AUDIT_S3_MODE: "GOVERNANCE",
    });
    assert.deepEqual(auditSinks, {
      cloudwatch: { group: "/bank/audit", stream: "smartfinance-audit", region: "eu-west-1", endpoint: undefined },
      s3: {
        bucket: "bank-audit",
        prefix: "audit/",
        region: undefined,
        endpoint: undefined,
        mode: "GOVERNANCE",
        retentionDays: 400,
        everyMs: 300_000,
      },
    });
  });

  void it("tells settings that differ by their digest", () => {
    const digest = settingsDigest({ PATH: "/bin" });
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.equal(settingsDigest({ SMARTFINANCE_PORT: "8080" }), digest, "the default, said aloud");
    assert.notEqual(settingsDigest({ SMARTFINANCE_PORT: "8081" }), digest);
  });
});
