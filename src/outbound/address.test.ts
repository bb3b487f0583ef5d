import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLoopbackAddress, isPublicAddress } from "./address.ts";

const PUBLIC = ["8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::8.8.8.8"];
const NOT_PUBLIC = [
  ["0.0.0.0", "0.1.2.3", "255.255.255.255", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ["127.0.0.1", "127.255.255.254", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16"],
  ["192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"],
  ["::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1"],
  // IPv4 inside IPv6: mapped, compatible, translated, NAT64 (both prefixes), 6to4, Teredo.
  ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:7f00:1", "::127.0.0.1", "::7f00:1", "::ffff:0:127.0.0.1"],
  ["64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:808:808::1", "2001::1"],
  ["", "localhost", "1.2.3", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "1.2.3.4 ", "１.2.3.4", "::ffff:127.0.0.1\u0000"],
].flat();

test("SSRF-01: only addresses of the public internet are public", () => {
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address);
  for (const address of NOT_PUBLIC) assert.equal(isPublicAddress(address), false, address);
});

test("SSRF-01: an address is no more public behind NAT64 than it is alone, and never in another IPv6 spelling", () => {
  fc.assert(
    fc.property(fc.ipV4(), (ip) => {
      assert.equal(isPublicAddress(`64:ff9b::${ip}`), isPublicAddress(ip));
      assert.equal(isPublicAddress(`::ffff:${ip}`), false);
      assert.equal(isPublicAddress(`::${ip}`), false);
    }),
  );
});

test("SSRF-01: no text makes the judgement throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV6()), (text) => void isPublicAddress(text)));
});

test("loopback is this machine only", () => {
  for (const address of ["127.0.0.1", "127.9.9.9", "::1"]) assert.equal(isLoopbackAddress(address), true);
  for (const address of ["10.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "localhost", "::1%lo"]) assert.equal(isLoopbackAddress(address), false);
});
