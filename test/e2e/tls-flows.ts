import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readTls } from "#http/index.ts";
import type { StartOptions } from "../support/app.ts";
import { makeAuthority } from "../support/certificates.ts";
import type { Client } from "../support/http-client.ts";
import { createTlsClient, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { stageFor } from "./stage.ts";

const TRIES_MAX = 200;

/** API keys bound to client certificates, over a real TLS listener. */
export function everyTlsFlow(options: StartOptions): void {
  const directory = mkdtempSync(join(tmpdir(), "smartfinance-tls-e2e-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return file;
  };
  const authority = makeAuthority("Authority");
  const server = authority.issue({ name: "localhost", usage: "server", hosts: ["127.0.0.1"] });
  const [one, two] = [authority.issue({ name: "one", usage: "client" }), authority.issue({ name: "two", usage: "client" })];
  const files = {
    certificateFile: write("server.pem", server.certificate),
    keyFile: write("server.key", server.key),
    clientCaFile: write("ca.pem", authority.certificate),
    clientCertificate: "optional",
    minVersion: "TLSv1.2",
  } as const;
  const stage = stageFor({ ...options, tls: readTls(files, Date.now()) });
  const clients: Client[] = [];
  after(() => {
    for (const client of clients) client.close();
  });
  const client = (key: string, own?: typeof one): Client => {
    const certified = own === undefined ? {} : { cert: own.certificate, key: own.key };
    const made = createTlsClient(stage.app.url, key, { ca: authority.certificate, ...certified });
    clients.push(made);
    return made;
  };

  it("ENC-11: a key bound to a certificate is good on connections with that certificate only", async () => {
    const { apiKey } = await stage.app.newOrganisation();
    const owner = client(apiKey);
    const made = ok(await owner.post("/v1/api-keys", { name: "Bound", certificate_sha256: one.sha256 }), 201);
    assert.equal(made["certificate_sha256"], one.sha256);
    // As openssl prints it: upper case, in pairs with colons.
    const printed = one.sha256.toUpperCase().replace(/..(?!$)/g, "$&:");
    assert.equal(
      ok(await owner.post("/v1/api-keys", { name: "Printed", certificate_sha256: printed }), 201)["certificate_sha256"],
      one.sha256,
    );
    assert.equal(ok(await owner.patch(`/v1/api-keys/${made.id}`, { certificate_sha256: printed }), 200)["certificate_sha256"], one.sha256);
    ok(await client(made.secret, one).get("/v1/accounts"), 200);
    const seen = await newestEvent(owner);
    for (const other of [client(made.secret), client(made.secret, two)]) refused(await other.get("/v1/accounts"), "certificate_mismatch");
    // Kept beside the answer, so it may come after it.
    const refusals = async () => (await eventsAfter(owner, seen)).filter(({ event_type }) => event_type === "access.certificate_refused");
    for (let n = 0; n < TRIES_MAX && (await refusals()).length < 2; n++) await sleep(10);
    assert.deepEqual(
      (await refusals()).map((event) => event["object_id"]),
      [made.id, made.id],
    );
    // A key that is bound to none takes whatever certificate there is.
    ok(await client(apiKey, two).get("/v1/accounts"), 200);
    assert.match((await owner.get("/v1/accounts")).headers["strict-transport-security"] ?? "", /^max-age=31536000/);
  });

  it("ENC-11: a key is bound, bound to another certificate and set free by another key, never by itself", async () => {
    const { apiKey } = await stage.app.newOrganisation();
    const owner = client(apiKey);
    const made = ok(await owner.post("/v1/api-keys", { name: "Free" }), 201);
    assert.equal(made["certificate_sha256"], null);
    const path = `/v1/api-keys/${made.id}`;
    ok(await client(made.secret).get("/v1/accounts"), 200);
    ok(await owner.patch(path, { certificate_sha256: one.sha256 }), 200);
    refused(await client(made.secret).get("/v1/accounts"), "certificate_mismatch");
    const own = client(made.secret, one);
    for (const certificate_sha256 of [null, two.sha256])
      refused(await own.patch(path, { certificate_sha256 }), "beyond_own_permissions", "certificate_sha256");
    ok(await own.patch(path, { certificate_sha256: one.sha256 }), 200);
    assert.equal(ok(await owner.patch(path, { certificate_sha256: two.sha256 }), 200)["certificate_sha256"], two.sha256);
    refused(await own.get("/v1/accounts"), "certificate_mismatch");
    ok(await client(made.secret, two).get("/v1/accounts"), 200);
    ok(await owner.patch(path, { certificate_sha256: null }), 200);
    ok(await client(made.secret).get("/v1/accounts"), 200);
    for (const certificate_sha256 of ["", "AB", `${one.sha256}0`, one.sha256.replace(/^../, "$&:")])
      refused(await owner.patch(path, { certificate_sha256 }), "invalid_request", "certificate_sha256");
  });
}
