import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { operatorCommand, organisationAsked, scopesWarning } from "./organisation-command.ts";

void describe("create-organisation", () => {
  void it("takes a name, and what the first key may do", () => {
    assert.deepEqual(organisationAsked(["Bank of Test"], "test"), { name: "Bank of Test", environment: "test" });
    const args = ["--scopes", "users:read,users:write", "Bank", "--environment=live", "--rate-limit", "6000"];
    assert.deepEqual(organisationAsked(args, "live"), {
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
      ["Bank", "--environment", "live"],
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

void describe("the operator's commands", () => {
  const id = "org_01M82BHM94EKAVVN1J472JCKY4";

  void it("make a key for an organisation, and reset its allow-list", () => {
    assert.deepEqual(operatorCommand("create-api-key", [id, "--name", "Rescue"], "test"), {
      kind: "create-api-key",
      asked: { organisationId: id, name: "Rescue" },
    });
    assert.deepEqual(operatorCommand("create-api-key", ["--name=R", id, "--scopes", "audit:read", "--rate-limit=5"], "test"), {
      kind: "create-api-key",
      asked: { organisationId: id, name: "R", scopes: ["audit:read"], rateLimitPerMinute: 5 },
    });
    assert.deepEqual(operatorCommand("reset-allow-list", [id], "test"), { kind: "reset-allow-list", organisationId: id });
  });

  void it("invite an operator, an admin unless told otherwise", () => {
    assert.deepEqual(operatorCommand("create-operator-invitation", [id, "--email", "grace@example.com"], "test"), {
      kind: "create-operator-invitation",
      asked: { organisationId: id, email: "grace@example.com", name: "Administrator", roles: ["admin"] },
    });
    const args = [id, "--email=ada@example.com", "--name", "Ada", "--roles", "auditor,developer"];
    assert.deepEqual(operatorCommand("create-operator-invitation", args, "test"), {
      kind: "create-operator-invitation",
      asked: { organisationId: id, email: "ada@example.com", name: "Ada", roles: ["auditor", "developer"] },
    });
    assert.equal(organisationAsked(["Bank", "--admin", "grace@example.com"], "test").admin, "grace@example.com");
    for (const wrong of [
      [id],
      ["--email", "grace@example.com"],
      [id, "--email", "grace"],
      [id, "--email", "grace@example.com", "--roles", "root"],
      [id, "--email", "grace@example.com", "--name", " "],
    ])
      assert.throws(() => operatorCommand("create-operator-invitation", wrong, "test"), /usage: npm run create-operator-invitation/);
    for (const wrong of ["grace", `${"x".repeat(65)}@example.com`])
      assert.throws(() => organisationAsked(["Bank", "--admin", wrong], "test"), /--admin/);
  });

  void it("refuse everything else, with their usage", () => {
    const wrong: readonly [string, readonly string[]][] = [
      ["create-api-key", [id]],
      ["create-api-key", ["--name", "Rescue"]],
      ["create-api-key", ["Bank", "--name", "Rescue"]],
      ["create-api-key", [id, id, "--name", "Rescue"]],
      ["create-api-key", [id, "--name", " "]],
      ["create-api-key", [id, "--name", "Rescue", "--scopes", "all"]],
      ["create-api-key", [id, "--name", "Rescue", "--environment", "live"]],
      ["reset-allow-list", []],
      ["reset-allow-list", [id, "--all"]],
      ["reset-allow-list", ["usr_01M82BHM94EKAVVN1J472JCKY4"]],
    ];
    for (const [name, args] of wrong)
      assert.throws(() => operatorCommand(name, args, "test"), new RegExp(`usage: npm run ${name}`), args.join(" "));
    assert.throws(() => operatorCommand("create-admin", [], "test"), /no command "create-admin", only create-organisation, create-api-key/);
  });

  void it("tell what they are for when asked, without doing anything", () => {
    for (const name of ["create-organisation", "create-api-key", "reset-allow-list", "rotate-kms-key", "kms-key-state"]) {
      const told = operatorCommand(name, ["Bank", "--help"], "test");
      assert.ok(told.kind === "help" && told.text.includes(`${name} `.trimEnd()), name);
      const all = operatorCommand("--help", [], "test");
      assert.ok(all.kind === "help" && all.text.includes(name), name);
    }
  });

  void it("list scopes or roles in the help of those alone that take them", () => {
    const told = (name: string): string => {
      const help = operatorCommand(name, ["--help"], "test");
      return help.kind === "help" ? help.text : "";
    };
    for (const name of ["create-organisation", "create-api-key"]) assert.match(told(name), /Scopes: .*users:read/);
    assert.match(told("create-operator-invitation"), /Roles: .*admin/);
    for (const name of ["create-operator-invitation", "reset-allow-list", "rotate-audit-key"]) assert.doesNotMatch(told(name), /Scopes:/);
  });

  void it("warn of a first key that nobody can do anything with", () => {
    assert.equal(scopesWarning(undefined), undefined);
    assert.equal(scopesWarning(["api_keys:write", "transfers:write"]), undefined);
    assert.match(scopesWarning(["transfers:write"]) ?? "", /create-api-key/);
    assert.match(scopesWarning(["api_keys:write", "organisation:write", "api_keys:read"]) ?? "", /only the scopes it has itself/);
  });
});
