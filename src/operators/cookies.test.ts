import assert from "node:assert/strict";
import { it } from "node:test";
import { cookieNames, signedInCookies, signedOutCookie } from "./cookies.ts";

void it("cookies are for this host alone over TLS, never for scripts or other sites, and end as they should", () => {
  assert.deepEqual(signedInCookies(true, { token: "t", device: "d" }), [
    "__Host-smartfinance-session=t; Path=/; HttpOnly; Secure; SameSite=Strict",
    "__Host-smartfinance-device=d; Max-Age=15552000; Path=/; HttpOnly; Secure; SameSite=Strict",
  ]);
  assert.deepEqual(signedInCookies(false, { token: "t", device: undefined }), [
    "smartfinance-session=t; Path=/; HttpOnly; SameSite=Strict",
  ]);
  assert.equal(signedOutCookie(true), "__Host-smartfinance-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict");
  assert.deepEqual(cookieNames(false), { session: "smartfinance-session", device: "smartfinance-device" });
});
