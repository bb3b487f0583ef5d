import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A request that a receiver got. */
export interface Received {
  readonly path: string;
  readonly id: string;
  readonly timestamp: number;
  readonly signatures: readonly string[];
  readonly text: string;
  readonly event: {
    readonly id: string;
    readonly type: string;
    readonly created_at: string;
    readonly data: { readonly object: string; readonly object_type: string };
  };
  /** Which request of this receiver it was, from 0. */
  readonly place: number;
}

/** Answers a request: a status, or does something else with the response. */
export type Behaviour = (received: Received, response: ServerResponse) => number | undefined | Promise<number | undefined>;

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** How it answers from now on; 204 at the beginning. */
  behave: Behaviour;
  /** Resolves once `enough` says so of everything received; rejects after `ms`. */
  until(enough: (received: readonly Received[]) => boolean, ms?: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a receiver of webhooks on a free port of 127.0.0.1, or on the one named. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => void take(request, response));
  const receiver = { behave: (() => 204) as Behaviour };

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const header = (name: string): string => String(request.headers[name] ?? "");
    const one: Received = {
      path: request.url ?? "",
      id: header("webhook-id"),
      timestamp: Number(header("webhook-timestamp")),
      signatures: header("webhook-signature").split(" "),
      text,
      event: JSON.parse(text) as Received["event"],
      place: received.length,
    };
    received.push(one);
    const status = await receiver.behave(one, response);
    if (status !== undefined) response.writeHead(status).end();
  }

  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    get behave() {
      return receiver.behave;
    },
    set behave(behave) {
      receiver.behave = behave;
    },
    async until(enough, ms = 8_000) {
      const end = Date.now() + ms;
      while (!enough(received)) {
        if (Date.now() > end)
          throw new Error(
            `not received in time; ${received.length} came: ${received
              .map(({ text }) => text)
              .join("\n")
              .slice(0, 2_000)}`,
          );
        await sleep(5);
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Whether one of a request's signatures is right under a secret: written anew from the Standard Webhooks specification, and
 * sharing nothing with what signs.
 */
export function isSignedWith(received: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const wanted = createHmac("sha256", key).update(`${received.id}.${received.timestamp}.${received.text}`).digest();
  return received.signatures.some((signature) => {
    const [version, text = ""] = signature.split(",");
    const given = Buffer.from(text, "base64");
    return version === "v1" && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}
