/** What clients ask for, in the words of the API. Amounts in minor units. */
export type Operation =
  | { readonly op: "create_user"; readonly name: string }
  | { readonly op: "verify"; readonly user: string; readonly status: "active" | "restricted" }
  | { readonly op: "open_account"; readonly body: OpenBody }
  | { readonly op: "patch"; readonly account: string; readonly body: PatchBody; readonly ifVersion?: number }
  | { readonly op: "status"; readonly account: string; readonly verb: "freeze" | "unfreeze" | "close" }
  | { readonly op: "deposit"; readonly body: MoveBody }
  | { readonly op: "withdraw"; readonly body: MoveBody }
  | { readonly op: "transfer"; readonly body: TransferBody }
  | { readonly op: "batch"; readonly body: { readonly mode: "independent" | "atomic"; readonly transfers: readonly TransferBody[] } }
  | { readonly op: "authorise"; readonly body: TransferBody & { readonly expires_in?: number } }
  | { readonly op: "increment"; readonly hold: string; readonly body: { readonly amount: number } }
  | { readonly op: "capture"; readonly hold: string; readonly body: Free & { readonly amount?: number; readonly final?: boolean } }
  | { readonly op: "void"; readonly hold: string }
  | { readonly op: "reverse"; readonly transaction: string; readonly body: Free & { readonly amount?: number } }
  | { readonly op: "review"; readonly review: string; readonly verdict: "approve" | "reject" };

export interface Free {
  readonly reference?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface OpenBody {
  readonly type: string;
  readonly currency: string;
  readonly user_id?: string;
  readonly overdraft_limit?: number;
  readonly interest_rate_bps?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface PatchBody {
  readonly overdraft_limit?: number;
  readonly interest_rate_bps?: number;
  readonly metadata?: Readonly<Record<string, string>> | null;
}

export interface Context {
  readonly device_id?: string;
  readonly country?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly user_agent?: string;
}

export interface MoveBody extends Free {
  readonly account_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly context?: Context;
}

export interface TransferBody extends Free {
  readonly from_account_id: string;
  readonly to_account_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly context?: Context;
}

/** An organisation and how it authenticates. */
export interface Tenant {
  readonly id: string;
  readonly apiKey: string;
  readonly apiKeyId: string;
}

/** One thing a client wants done, once, however often it has to ask. */
export interface Command {
  readonly number: number;
  readonly tenant: Tenant;
  readonly operation: Operation;
  /** The Idempotency-Key; absent where the operation takes none. */
  readonly key: string | undefined;
  /** How many commits had happened when it was first sent. */
  since: number;
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH";
  readonly url: string;
  readonly payload?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Why users' statuses are changed here. */
export const REASON = "court_order";

/** Whether the operation takes an Idempotency-Key: every POST that creates or moves money. */
export function takesKey(operation: Operation): boolean {
  return operation.op !== "patch" && operation.op !== "status" && operation.op !== "verify";
}

function lineOf(operation: Operation): { readonly url: string; readonly body?: object; readonly method?: "PATCH" } {
  switch (operation.op) {
    case "create_user":
      return { url: "/v1/users", body: { name: operation.name } };
    case "verify":
      return { url: `/v1/users/${operation.user}/status`, body: { status: operation.status, reason_code: REASON } };
    case "open_account":
      return { url: "/v1/accounts", body: operation.body };
    case "patch":
      return { url: `/v1/accounts/${operation.account}`, body: operation.body, method: "PATCH" };
    case "status":
      return { url: `/v1/accounts/${operation.account}/${operation.verb}` };
    case "deposit":
      return { url: "/v1/deposits", body: operation.body };
    case "withdraw":
      return { url: "/v1/withdrawals", body: operation.body };
    case "transfer":
      return { url: "/v1/transfers", body: operation.body };
    case "batch":
      return { url: "/v1/transfers/batch", body: operation.body };
    case "authorise":
      return { url: "/v1/holds", body: operation.body };
    case "increment":
      return { url: `/v1/holds/${operation.hold}/increment`, body: operation.body };
    case "capture":
      return { url: `/v1/holds/${operation.hold}/capture`, body: operation.body };
    case "void":
      return { url: `/v1/holds/${operation.hold}/void` };
    case "reverse":
      return { url: `/v1/transactions/${operation.transaction}/reversals`, body: operation.body };
    case "review":
      return { url: `/v1/reviews/${operation.review}/${operation.verdict}` };
    default:
      return operation satisfies never;
  }
}

/** The request that carries a command. */
export function requestOf(command: Pick<Command, "tenant" | "operation" | "key">): HttpRequest {
  const { operation, key, tenant } = command;
  const { url, body, method = "POST" } = lineOf(operation);
  return {
    method,
    url,
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    headers: {
      host: "api.test",
      "x-api-key": tenant.apiKey,
      "user-agent": "simulation/1",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...(operation.op === "patch" && operation.ifVersion !== undefined ? { "if-match": `"${operation.ifVersion}"` } : {}),
    },
  };
}

/** A command as a person reads it. */
export function describe(command: Command): string {
  return `#${command.number} ${JSON.stringify(command.operation)} by ${command.tenant.id.slice(-6)}, key ${command.key ?? "none"}`;
}
