import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One file that the pages load. */
export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  /** A strong validator (RFC 9110, section 8.8.3): browsers ask with it and are told 304 until a release changes the file. */
  readonly etag: string;
}

const SCRIPT = "text/javascript; charset=utf-8";
const own = (name: string): URL => new URL(`./browser/${name}`, import.meta.url);

/** Every file there is, by its name below `/hosted/assets/`. Nothing else is ever read, so no name leads anywhere else. */
const files: ReadonlyMap<string, { readonly type: string; readonly url: () => URL | string }> = new Map([
  ["pages.css", { type: "text/css; charset=utf-8", url: () => own("pages.css") }],
  ...["page.js", "passkey.js", "open.js", "enrol.js", "approve.js"].map((name) => [name, { type: SCRIPT, url: () => own(name) }] as const),
  // The library's bundle as its makers publish it. The package tells only where its module is, the bundle lies beside.
  [
    "simplewebauthn.js",
    { type: SCRIPT, url: () => new URL("../dist/bundle/index.umd.min.js", import.meta.resolve("@simplewebauthn/browser")) },
  ],
]);

const read = new Map<string, Asset>();

/** The file of this name, read once; `undefined` where there is none. */
export function assetOf(name: string): Asset | undefined {
  const known = read.get(name);
  const file = files.get(name);
  if (known !== undefined || file === undefined) return known;
  const bytes = readFileSync(fileURLToPath(file.url()));
  const asset = { type: file.type, bytes, etag: `"${hash("sha256", bytes, "base64url").slice(0, 22)}"` };
  read.set(name, asset);
  return asset;
}
