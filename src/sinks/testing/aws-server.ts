import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What is done to one request instead of answering it, or besides. */
export type AwsFault =
  | { readonly kind: "error"; readonly name: string; readonly status: number }
  /** The request is carried out, and its answer is lost. */
  | { readonly kind: "written_but_failed" }
  /** The connection is cut before anything is done. */
  | { readonly kind: "cut" }
  /** Nothing is ever answered, and nothing done. */
  | { readonly kind: "hang" };

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface AwsServer {
  readonly endpoint: string;
  /** Asked once a request, with its operation; what it gives is done to the request. */
  fault: (operation: string) => AwsFault | undefined;
  /** The operations so far. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

/** What a small server of an AWS API needs to know of that API. */
export interface AwsApi {
  operationOf(request: IncomingMessage): string;
  answer(operation: string, request: IncomingMessage, body: Buffer): Answer;
  failure(name: string, status: number): Answer;
}

/** Credentials that such a server takes: any. */
export const credentials = { accessKeyId: "test", secretAccessKey: "test" };
export const REGION = "eu-central-1";

/** Starts a server of an API on a free port of 127.0.0.1. */
export async function startAwsServer(api: AwsApi): Promise<AwsServer> {
  const calls: string[] = [];
  const served: Pick<AwsServer, "fault"> = { fault: () => undefined };
  const server = createServer((request, response) => void take(request, response).catch(() => response.destroy()));

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const operation = api.operationOf(request);
    calls.push(operation);
    const fault = served.fault(operation);
    if (fault?.kind === "hang") return;
    if (fault?.kind === "cut") {
      response.destroy();
      return;
    }
    const {
      status,
      headers,
      body = "",
    } = fault?.kind === "error" ? api.failure(fault.name, fault.status) : api.answer(operation, request, Buffer.concat(chunks));
    if (fault?.kind === "written_but_failed") {
      response.destroy();
      return;
    }
    response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    get fault() {
      return served.fault;
    },
    set fault(fault) {
      served.fault = fault;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
