import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { connect } from "node:tls";
import type { Issued } from "#test/support/certificates.ts";
import { makeAuthority, selfSigned } from "#test/support/certificates.ts";
import { replaceTls } from "./listener.ts";
import type { HttpServerOptions } from "./contract.ts";
import { KEY, createTestServer, listen } from "./testing.ts";
import type { TlsFiles, TlsSettings } from "./tls.ts";
import { readTls } from "./tls.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-tls-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const DAY_MS = 86_400_000;
const hosts = ["localhost", "127.0.0.1"];
const authority = makeAuthority("Server authority");
const clients = makeAuthority("Client authority");
const server = authority.issue({ name: "localhost", usage: "server", hosts });

let written = 0;
function write(text: string): string {
  written += 1;
  const file = join(directory, `${written}.pem`);
  writeFileSync(file, text);
  return file;
}

function filesOf({ certificate, key }: Pick<Issued, "certificate" | "key">, more: Partial<TlsFiles> = {}): TlsFiles {
  const files = { certificateFile: write(certificate), keyFile: write(key), clientCaFile: undefined };
  return { ...files, clientCertificate: "optional", minVersion: "TLSv1.2", ...more };
}
const settingsOf = (issued: Issued, more: Partial<TlsFiles> = {}): TlsSettings => readTls(filesOf(issued, more), Date.now());

const PUBLIC = "GET /v1/public HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";

/** What a client of these options is answered, or how it fails. */
function ask(port: number, options: ConnectionOptions = {}, request = PUBLIC): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca: authority.certificate, ...options });
    socket.on("secureConnect", () => socket.write(request));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(text === "" ? `error ${error.code ?? error.message}` : text));
    socket.on("close", () => resolve(text === "" ? "closed" : text));
  });
}

async function start(t: { after(done: () => Promise<void>): void }, options: Partial<HttpServerOptions>) {
  const made = createTestServer(options);
  const port = await listen(made.app);
  t.after(() => made.app.close());
  return { ...made, port };
}

test("ENC-11: TLS 1.2 and 1.3 with strong suites are spoken, older versions and weak suites are not", async (t) => {
  const { port } = await start(t, { tls: settingsOf(server) });
  const old: ConnectionOptions = { ciphers: "DEFAULT@SECLEVEL=0", minVersion: "TLSv1" };
  const only12: ConnectionOptions = { maxVersion: "TLSv1.2" };
  for (const options of [{}, only12, { minVersion: "TLSv1.3" }, { ...only12, ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" }] as const)
    assert.match(await ask(port, options), /^HTTP\/1\.1 200 /);
  for (const options of [
    { ...old, maxVersion: "TLSv1.1" },
    { ...old, maxVersion: "TLSv1" },
    { ...only12, ciphers: "ECDHE-ECDSA-AES128-SHA" },
    { ...only12, ciphers: "ECDHE-ECDSA-AES256-SHA384" },
    { ...only12, ciphers: "AES128-GCM-SHA256" },
    { ...only12, ciphers: "ECDHE-ECDSA-AES128-CCM8@SECLEVEL=0" },
    { ...only12, ciphers: "DHE-RSA-AES128-GCM-SHA256" },
  ] as const)
    assert.match(await ask(port, options), /^(?:error|closed)/, JSON.stringify(options));
});

test("ENC-11: TLS 1.3 alone, when it is configured", async (t) => {
  const { port } = await start(t, { tls: settingsOf(server, { minVersion: "TLSv1.3" }) });
  assert.match(await ask(port), /^HTTP\/1\.1 200 /);
  assert.match(await ask(port, { maxVersion: "TLSv1.2" }), /^(?:error|closed)/);
});

test("ENC-11: HSTS is said over TLS, the server's own or a proxy's, and only there; on what is no request too", async (t) => {
  const overTls = await start(t, { tls: settingsOf(server) });
  const HSTS = /^strict-transport-security: max-age=31536000; includeSubDomains\r$/im;
  assert.match(await ask(overTls.port), HSTS);
  assert.match(await ask(overTls.port, {}, "GET /nowhere HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"), HSTS);
  const nonsense = await ask(overTls.port, {}, "nonsense\r\n\r\n");
  assert.match(nonsense, /^HTTP\/1\.1 400 /);
  assert.match(nonsense, HSTS);
  const proxied = createTestServer({ tlsTerminatedByProxy: true });
  assert.ok((await proxied.app.inject("/v1/public")).headers["strict-transport-security"]);
  const plain = createTestServer();
  assert.equal((await plain.app.inject("/v1/public")).headers["strict-transport-security"], undefined);
});

test("ENC-11: plain HTTP on the TLS port is closed without an answer, and there is no other port", async (t) => {
  const { port, app } = await start(t, { tls: settingsOf(server) });
  const answer = await new Promise<string>((resolve) => {
    let text = "";
    const socket = tcpConnect(port, "127.0.0.1", () => socket.write(PUBLIC));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
  assert.doesNotMatch(answer, /HTTP/);
  assert.equal(app.addresses().length, 1);
});

test("ENC-11: a listener of the name localhost is one listener, with every bound", async (t) => {
  const { app } = createTestServer();
  await app.listen({ host: "localhost", port: 0 });
  t.after(() => app.close());
  assert.equal(app.addresses().length, 1);
});

test("ENC-11: a handshake that does not come to its end is cut off", async (t) => {
  const { port } = await start(t, { tls: settingsOf(server), limits: { handshakeMs: 50 } });
  const socket = tcpConnect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.on("close", resolve));
});

test("ENC-11: a client certificate is checked for chain, dates and use", async (t) => {
  const ca = { clientCaFile: write(clients.certificate) };
  const good = clients.issue({ name: "client", usage: "client" });
  const below = clients.intermediate("Below").issue({ name: "client", usage: "client" });
  const bad = [
    makeAuthority("Another").issue({ name: "client", usage: "client" }),
    authority.issue({ name: "client", usage: "client" }),
    selfSigned({ name: "client", usage: "client" }),
    clients.issue({ name: "client", usage: "client", until: Date.now() - 1_000 }),
    clients.issue({ name: "client", usage: "client", from: Date.now() + DAY_MS, until: Date.now() + 2 * DAY_MS }),
    clients.issue({ name: "client", usage: "server" }),
    clients.issue({ name: "client" }),
    below,
  ];
  for (const clientCertificate of ["optional", "required"] as const) {
    const { port } = await start(t, { tls: settingsOf(server, { ...ca, clientCertificate }) });
    const none = await ask(port);
    assert.match(none, clientCertificate === "required" ? /^(?:error|closed)/ : /^HTTP\/1\.1 200 /);
    assert.match(await ask(port, { cert: good.certificate, key: good.key }), /^HTTP\/1\.1 200 /);
    for (const [index, { certificate, key }] of bad.entries())
      assert.match(await ask(port, { cert: certificate, key }), /^(?:error|closed)/, `${clientCertificate} ${index}`);
  }
});

test("ENC-11: a key that is bound to a certificate is refused with another one and without any", async (t) => {
  const ca = { clientCaFile: write(clients.certificate) };
  const bound = clients.issue({ name: "bound", usage: "client" });
  const other = clients.issue({ name: "other", usage: "client" });
  const { principal } = createTestServer();
  let now = Date.now();
  const options: Partial<HttpServerOptions> = {
    clock: { now: () => now, sleep: () => Promise.resolve() },
    authenticate: () => ({ ...principal, certificateSha256: bound.sha256 }),
  };
  const { port } = await start(t, { ...options, tls: settingsOf(server, ca) });
  const request = `GET /v1/payments HTTP/1.1\r\nhost: t\r\nx-api-key: ${KEY}\r\nconnection: close\r\n\r\n`;
  const own = { cert: bound.certificate, key: bound.key };
  assert.match(await ask(port, own, request), /^HTTP\/1\.1 200 /);
  for (const client of [{}, { cert: other.certificate, key: other.key }])
    assert.match(await ask(port, client, request), /^HTTP\/1\.1 403 [\s\S]*"code":"certificate_mismatch"/);
  // The certificate expires while the connection stands.
  now += 2 * DAY_MS;
  assert.match(await ask(port, own, request), /"code":"certificate_mismatch"/);
  const plain = createTestServer(options);
  assert.equal((await plain.app.inject({ url: "/v1/payments", headers: { "x-api-key": KEY } })).statusCode, 403);
});

test("ENC-11: new certificates serve new connections without a restart", async (t) => {
  const { port, app } = await start(t, { tls: settingsOf(server) });
  assert.match(await ask(port), /^HTTP\/1\.1 200 /);
  const next = makeAuthority("Next authority");
  replaceTls(app.server, settingsOf(next.issue({ name: "localhost", usage: "server", hosts })));
  assert.match(await ask(port), /^error/);
  assert.match(await ask(port, { ca: next.certificate }), /^HTTP\/1\.1 200 /);
});

test("ENC-11: files that cannot be used stop the start with one line that names them", () => {
  const other = authority.issue({ name: "localhost", usage: "server" });
  const between = authority.intermediate("Between");
  const leaf = between.issue({ name: "localhost", usage: "server", hosts });
  const good = filesOf(server);
  const chained = (...parts: Issued[]) => ({ certificate: parts.map(({ certificate }) => certificate).join(""), key: leaf.key });
  assert.ok(readTls(filesOf(chained(leaf, between)), Date.now()));
  const issue = (more: object) => authority.issue({ name: "localhost", usage: "server", ...more });
  const cases: readonly (readonly [TlsFiles, RegExp])[] = [
    [{ ...good, certificateFile: join(directory, "none.pem") }, /certificate file .*none\.pem cannot be read: ENOENT/],
    [{ ...good, keyFile: directory }, /key file .* cannot be read: EISDIR/],
    [{ ...good, certificateFile: write("text") }, /has no certificate in PEM form/],
    [{ ...good, certificateFile: write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----") }, /cannot be read/],
    [{ ...good, keyFile: write("text") }, /has no private key/],
    [{ ...good, keyFile: write("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----") }, /is encrypted/],
    [{ ...good, keyFile: write(other.key) }, /does not belong to the key/],
    [filesOf(issue({ until: Date.now() - DAY_MS })), /expired on/],
    [filesOf(issue({ from: Date.now() + DAY_MS / 2 })), /is not valid before/],
    [filesOf(issue({ usage: "client" })), /is not one for servers/],
    [filesOf(issue({ rsaBits: 1024 })), /less than 2048 bits/],
    [filesOf(chained(leaf, authority)), /wrong order/],
    [{ ...good, clientCaFile: join(directory, "none.pem") }, /client CA file .* cannot be read: ENOENT/],
    [{ ...good, clientCaFile: write(other.certificate) }, /no authority's/],
    [{ ...good, clientCaFile: write("") }, /has no certificate/],
  ];
  for (const [files, message] of cases) {
    assert.throws(
      () => readTls(files, Date.now()),
      (error: unknown) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n|PRIVATE/);
        return true;
      },
    );
  }
});
