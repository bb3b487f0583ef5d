import type { LookupFunction } from "node:net";
import type { OutboundReason, Resolve } from "./contract.ts";
import { isAllowedAddress } from "./target.ts";

/** A name with more addresses than this is not looked through. */
const MAX_ADDRESSES = 64;

/** Carries a refusal through the error path of a socket. */
export class OutboundError extends Error {
  override readonly name = "OutboundError";
  readonly reason: OutboundReason;

  constructor(reason: OutboundReason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * The look-up that sockets ask while they connect. It answers with the very addresses it has judged, so there is no second
 * answer that could be another one (DNS rebinding). One address that is not allowed refuses the name: who mixes public and
 * private addresses is hoping that we take the wrong one.
 */
export function guardedLookup(resolve: Resolve, development: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const [first] = found;
        if (first === undefined || found.length > MAX_ADDRESSES) callback(new OutboundError("unresolvable"), "");
        else if (!found.every(({ address }) => isAllowedAddress(address, development)))
          callback(new OutboundError("address_not_allowed"), "");
        else if (options.all === true) callback(null, [...found]);
        else callback(null, first.address, first.family);
      },
      () => callback(new OutboundError("unresolvable"), ""),
    );
  };
}
