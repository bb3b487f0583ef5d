import { isIP } from "node:net";
import { isLoopbackAddress, isPublicAddress } from "./address.ts";
import type { OutboundRefusal } from "./contract.ts";

const MAX_URL_LENGTH = 2048;
const MAX_HOST_LENGTH = 253;
/** Below it live the services that a web server is not: mail, shells, databases of old. */
const FIRST_FREE_PORT = 1024;
/** Names that no public resolver should know (RFC 6761, RFC 6762, RFC 8375, RFC 9476, ICANN on `.internal`). */
const PRIVATE_SUFFIX = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa|test|example|invalid|onion|alt)$/;

export interface TargetRules {
  /** http as well as https, loopback, every port and every name: for tests and development. */
  readonly development: boolean;
}

export type Target = { readonly ok: true; readonly url: URL } | OutboundRefusal;

/**
 * Judges a URL before anything is sent or resolved. Addresses written out are judged here, names when they are resolved.
 * The spelling counts as well as the meaning: `https://0x7f.1/`, `https://2130706433/` or full-width digits are read as
 * addresses by the URL standard, and nobody writes them with good intent.
 */
export function checkTarget(text: string, { development }: TargetRules): Target {
  if (text.length > MAX_URL_LENGTH || !URL.canParse(text)) return refused("invalid_url");
  const url = new URL(text);
  if (url.protocol !== "https:" && !(development && url.protocol === "http:")) return refused("scheme_not_allowed");
  if (url.username !== "" || url.password !== "") return refused("credentials_in_url");
  const bracketed = url.hostname.startsWith("[");
  const host = bracketed ? url.hostname.slice(1, -1) : url.hostname;
  if (host === "" || host.length > MAX_HOST_LENGTH) return refused("host_not_allowed");
  if (!development) {
    const port = url.port === "" ? 443 : Number(url.port);
    if (port !== 443 && port < FIRST_FREE_PORT) return refused("port_not_allowed");
  }
  if (isIP(host) !== 0) {
    if (!isWritten(text, url.hostname)) return refused("host_not_allowed");
    if (!isAllowedAddress(host, development)) return refused("address_not_allowed");
  } else if (!development && (!host.includes(".") || host.endsWith(".") || PRIVATE_SUFFIX.test(host))) {
    return refused("host_not_allowed");
  }
  return { ok: true, url };
}

/** Whether this client may connect to an address. */
export function isAllowedAddress(address: string, development: boolean): boolean {
  return isPublicAddress(address) || (development && isLoopbackAddress(address));
}

/** Whether the address stands in the URL as it was understood. IPv6 has many honest spellings, which mean one thing only. */
function isWritten(text: string, hostname: string): boolean {
  if (hostname.startsWith("[")) return true;
  const from = text.indexOf("://") + 3;
  return text.startsWith(hostname, from);
}

function refused(reason: OutboundRefusal["reason"]): OutboundRefusal {
  return { ok: false, reason };
}
