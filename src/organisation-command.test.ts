import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { organisationAsked } from "./organisation-command.ts";

void describe("create-organisation", () => {
  void it("takes a name, and what the first key may do", () => {
    assert.deepEqual(organisationAsked(["Bank of Test"], "test"), { name: "Bank of Test", environment: "test" });
    const args = ["--scopes", "users:read,users:write", "Bank", "--environment=live", "--rate-limit", "6000"];
    assert.deepEqual(organisationAsked(args, "test"), {
      name: "Bank",
      environment: "live",
      scopes: ["users:read", "users:write"],
      rateLimitPerMinute: 6000,
    });
  });

  void it("refuses everything else, with its usage", () => {
    const wrong = [
      [],
      [""],
      ["  "],
      ["x".repeat(101)],
      ["Bank", "of"],
      ["Bank", "--environment", "prod"],
      ["Bank", "--scopes", "users:*"],
      ["Bank", "--scopes", ""],
      ["Bank", "--scopes"],
      ["Bank", "--rate-limit", "0"],
      ["Bank", "--rate-limit", "1.5"],
      ["Bank", "--rate-limit", "10000001"],
      ["Bank", "--password", "secret"],
    ];
    for (const args of wrong) assert.throws(() => organisationAsked(args, "test"), /usage: npm run create-organisation/, args.join(" "));
  });
});
