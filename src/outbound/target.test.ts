import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboundReason } from "./contract.ts";
import { checkTarget } from "./target.ts";

const LIVE = { development: false };

const refusals: readonly (readonly [OutboundReason, readonly string[]])[] = [
  [
    "invalid_url",
    ["", "hooks.shop", "https://", "https://a b.shop/", "https://hooks.shop:99999/", `https://hooks.shop/${"x".repeat(2_048)}`],
  ],
  ["invalid_url", ["https://1.2.3.256/", "https://1.2.3.4.5/", "https://[::1", "https://[fe80::1%25eth0]/"]],
  [
    "scheme_not_allowed",
    ["http://hooks.shop/", "ftp://hooks.shop/", "file:///etc/passwd", "gopher://hooks.shop/", "data:,x", "unix:/run/x"],
  ],
  ["credentials_in_url", ["https://user@hooks.shop/", "https://user:password@hooks.shop/", "https://8.8.8.8@127.0.0.1/"]],
  ["port_not_allowed", ["https://hooks.shop:22/", "https://hooks.shop:80/", "https://hooks.shop:0/", "https://hooks.shop:1023/"]],
  ["host_not_allowed", ["https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://hooks.shop./"]],
  ["host_not_allowed", ["https://metadata/", "https://metadata.google.internal/", "https://printer.local/", "https://x.home.arpa/"]],
  // Other spellings of an address, all of which the URL standard reads as one.
  ["host_not_allowed", ["https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/"]],
  [
    "host_not_allowed",
    ["https://１２７.０.０.１/", "https://127。0。0。1/", "https://①②⑦.0.0.1/", "https://%31%32%37.0.0.1/", "https://134744072/"],
  ],
  [
    "address_not_allowed",
    ["https://127.0.0.1/", "https://10.0.0.1:8443/", "https://169.254.169.254/latest/meta-data/", "https://0.0.0.0/"],
  ],
  [
    "address_not_allowed",
    ["https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[fd00:ec2::254]/"],
  ],
  ["address_not_allowed", ["https://[64:ff9b::10.0.0.1]/", "https://[2002:7f00:1::]/", "https://[0:0:0:0:0:0:0:1]/"]],
];

for (const [reason, urls] of refusals) {
  test(`SSRF-01: ${reason} for ${urls[0]?.slice(0, 40) || "nothing"} and the like`, () => {
    for (const url of urls) assert.deepEqual(checkTarget(url, LIVE), { ok: false, reason }, url);
  });
}

test("an ordinary target passes", () => {
  for (const url of [
    "https://hooks.shop/a?b=c",
    "https://hooks.shop:443/",
    "https://hooks.shop:8443/",
    "https://8.8.8.8/",
    "https://münchen.de/",
  ])
    assert.equal(checkTarget(url, LIVE).ok, true, url);
  assert.equal(checkTarget("https://[2606:4700::1111]/", LIVE).ok, true);
});

test("SSRF-01: development lets this machine pass, and nothing else that is private", () => {
  const rules = { development: true };
  for (const url of ["http://127.0.0.1:80/", "http://localhost:3000/", "https://[::1]/"])
    assert.equal(checkTarget(url, rules).ok, true, url);
  for (const url of ["http://10.0.0.1/", "http://169.254.169.254/", "http://0.0.0.0/"])
    assert.deepEqual(checkTarget(url, rules), { ok: false, reason: "address_not_allowed" }, url);
});
