import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createResolve } from "./resolve.ts";

/** Answers type A with the address, type AAAA and every other name with nothing (RFC 1035). */
function answerTo(query: Buffer, known: string, address: readonly number[]): Buffer {
  const end = query.indexOf(0, 12);
  const labels: string[] = [];
  for (let at = 12; at < end; at += (query[at] ?? 0) + 1) labels.push(query.toString("latin1", at + 1, at + 1 + (query[at] ?? 0)));
  const question = query.subarray(12, end + 5);
  const found = labels.join(".") === known && query.readUInt16BE(end + 1) === 1;
  const head = Buffer.from([
    query[0] ?? 0,
    query[1] ?? 0,
    0x81,
    labels.join(".") === known ? 0x80 : 0x83,
    0,
    1,
    0,
    found ? 1 : 0,
    0,
    0,
    0,
    0,
  ]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address]);
  return Buffer.concat(found ? [head, question, record] : [head, question]);
}

test("names are resolved by the name servers, never by the machine's own files", async (t) => {
  const server = createSocket("udp4");
  server.on("message", (query, from) => server.send(answerTo(query, "hooks.shop", [93, 184, 215, 14]), from.port, from.address));
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const resolve = createResolve([`127.0.0.1:${(server.address() as AddressInfo).port}`]);
  assert.deepEqual(await resolve("hooks.shop"), [{ address: "93.184.215.14", family: 4 }]);
  await assert.rejects(resolve("unknown.shop"));
});

test("a name server that is silent about one family does not hold up the addresses of the other", async (t) => {
  // Two of them: asking each twice takes longer than a call may.
  const servers = [createSocket("udp4"), createSocket("udp4")];
  t.after(() => servers.forEach((server) => server.close()));
  for (const server of servers) {
    server.on("message", (query, from) => {
      const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
      if (type === 1) server.send(answerTo(query, "hooks.shop", [93, 184, 215, 14]), from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  }
  const resolve = createResolve(servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`));
  const began = Date.now();
  assert.deepEqual(await resolve("hooks.shop"), [{ address: "93.184.215.14", family: 4 }]);
  assert.ok(Date.now() - began < 4_000);
});

test("a question for addresses of the family that every machine has a way to is repeated once before it is gone without", async (t) => {
  const server = createSocket("udp4");
  let lost = false;
  server.on("message", (query, from) => {
    const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
    if (type === 1 && !lost) lost = true;
    else if (type === 1) server.send(answerTo(query, "hooks.shop", [93, 184, 215, 14]), from.port, from.address);
    else {
      const answer = Buffer.concat([query, Buffer.from("c00c001c00010000003c0010260628000220000102481893025c1946", "hex")]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(1, 6);
      answer.writeUInt16BE(0, 10);
      server.send(answer, from.port, from.address);
    }
  });
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const resolve = createResolve([`127.0.0.1:${(server.address() as AddressInfo).port}`]);
  assert.deepEqual(
    (await resolve("hooks.shop")).map(({ family }) => family),
    [4, 6],
  );
});
