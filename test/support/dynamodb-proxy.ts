import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What becomes of one request on its way to the server. */
export type Fate =
  | { readonly kind: "pass" }
  /** Answered here; the server never sees it. */
  | { readonly kind: "answer"; readonly status: number; readonly body: object | string }
  /** No answer ever. */
  | { readonly kind: "swallow"; readonly delivered: boolean }
  /** The connection is reset instead of an answer. */
  | { readonly kind: "reset"; readonly delivered: boolean }
  /** The server's answer is changed before it goes back. */
  | { readonly kind: "change"; readonly change: (answer: Record<string, unknown>) => object };

export interface DynamoProxy {
  readonly endpoint: string;
  /** How many requests of each operation arrived. */
  readonly seen: Map<string, number>;
  /** Decides the fate of every request; undefined lets all pass. */
  decide(decision: ((operation: string, body: Record<string, unknown>) => Fate) | undefined): void;
  stop(): Promise<void>;
}

const PASS: Fate = { kind: "pass" };

/** An error answer of DynamoDB as it looks on the wire. */
export function serviceError(code: string, more: object = {}, status = 400): Fate {
  return { kind: "answer", status, body: { __type: `com.amazonaws.dynamodb.v20120810#${code}`, message: `injected ${code}`, ...more } };
}

/** A cancelled transaction with these reasons. */
export function cancelled(...codes: string[]): Fate {
  return serviceError("TransactionCanceledException", { CancellationReasons: codes.map((Code) => ({ Code })) });
}

/** Stands between a store and a DynamoDB server and brings about what servers on one machine never do. */
export async function startDynamoProxy(target: string): Promise<DynamoProxy> {
  let decision: Parameters<DynamoProxy["decide"]>[0];
  const seen = new Map<string, number>();
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const operation = String(request.headers["x-amz-target"]).split(".").at(-1) ?? "";
    seen.set(operation, (seen.get(operation) ?? 0) + 1);
    const fate = decision?.(operation, JSON.parse(body.toString()) as Record<string, unknown>) ?? PASS;
    if (fate.kind === "answer") {
      response.writeHead(fate.status, { "content-type": "application/x-amz-json-1.0" });
      response.end(typeof fate.body === "string" ? fate.body : JSON.stringify(fate.body));
      return;
    }
    const delivered = fate.kind === "swallow" || fate.kind === "reset" ? fate.delivered : true;
    const answer = delivered ? await forward(target, request, body) : undefined;
    if (fate.kind === "reset") request.socket.resetAndDestroy();
    if (fate.kind === "swallow" || fate.kind === "reset" || answer === undefined) return;
    const changed = fate.kind === "change" ? JSON.stringify(fate.change(JSON.parse(answer.text) as Record<string, unknown>)) : answer.text;
    response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.0" });
    response.end(changed);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    seen,
    decide(next) {
      decision = next;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function forward(target: string, request: IncomingMessage, body: Buffer): Promise<{ status: number; text: string }> {
  const headers = Object.fromEntries(
    ["content-type", "x-amz-target", "x-amz-date", "authorization"].map((name) => [name, String(request.headers[name])]),
  );
  const response = await fetch(target, { method: "POST", headers, body });
  return { status: response.status, text: await response.text() };
}
