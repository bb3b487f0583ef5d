import type { OperatorSessionId } from "#kernel/ids.ts";
import type { Credentials } from "./credentials.ts";
import { rememberDevice, rememberSession } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import type { Operator } from "./operator.ts";
import { newSecret, secretHashOf, tokenText } from "./secret-text.ts";
import type { SessionPolicy } from "./session-policy.ts";
import type { Session, SessionStatus } from "./session.ts";
import { changedSession, UNFINISHED_MS } from "./session.ts";
import type { Visitor } from "./visitor.ts";

const CHALLENGE_BYTES = 32;

/** The texts that a browser is given, drawn before the decision that stores what is known of them. */
export interface SessionSecrets {
  readonly id: OperatorSessionId;
  /** The value of the session's cookie. */
  readonly token: string;
  readonly secretHash: string;
  /** The value of the device's cookie, once it is known: another one with every sign-in, so that nobody knows it who planted one. */
  readonly device: string;
  /** What the browser calls itself now: known no more once it has another. */
  readonly formerDevice: string | undefined;
}

export interface MadeSession {
  readonly token: string;
  readonly session: Session;
  /** `undefined`: the browser keeps the cookie that it has. */
  readonly device: string | undefined;
}

export function newSecrets(deps: Pick<OperatorDeps, "random">, id: OperatorSessionId, device: string | undefined): SessionSecrets {
  const secret = newSecret(deps.random);
  return { id, token: tokenText(id, secret), secretHash: secretHashOf(secret), device: newSecret(deps.random), formerDevice: device };
}

/** A session as it begins. `begin` makes the record, inside the decision. */
export function newSession(
  deps: Pick<OperatorDeps, "random" | "ids">,
  operator: Operator,
  visitor: Visitor,
  status: Exclude<SessionStatus, "ended">,
): SessionSecrets & { begin(epoch: number, at: number): Session } {
  const id = deps.ids.next("operatorSession");
  const secrets = newSecrets(deps, id, visitor.device);
  const challenge = Buffer.from(deps.random.bytes(CHALLENGE_BYTES)).toString("base64url");
  return {
    ...secrets,
    begin: (epoch, at) => ({
      id,
      organisationId: operator.organisationId,
      operatorId: operator.id,
      status,
      secretHash: secrets.secretHash,
      challenge: status === "second_factor_required" ? challenge : null,
      epoch,
      failures: 0,
      ip: visitor.ip,
      userAgent: visitor.userAgent,
      createdAt: at,
      startedAt: null,
      expiresAt: at + UNFINISHED_MS,
      endedAt: null,
      endReason: null,
      version: 1,
    }),
  };
}

/**
 * A session that is complete: it gets another secret, so that nobody has it who knew the one before, and its full time; its device is
 * known from now on.
 */
export function completed(
  session: Session,
  credentials: Credentials,
  { secretHash, device, formerDevice, policy }: SessionSecrets & { readonly policy: SessionPolicy },
  at: number,
): { readonly session: Session; readonly remembered: Pick<Credentials, "devices" | "sessions"> } {
  const former = formerDevice === undefined ? undefined : secretHashOf(formerDevice);
  const expiresAt = at + policy.absoluteMinutes * 60_000;
  return {
    session: changedSession(session, { status: "active", challenge: null, secretHash, startedAt: at, expiresAt }),
    remembered: {
      devices: rememberDevice(
        credentials.devices.filter(({ hash }) => hash !== former),
        secretHashOf(device),
        at,
      ),
      sessions: rememberSession(credentials.sessions, session.id),
    },
  };
}
