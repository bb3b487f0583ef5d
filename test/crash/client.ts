import { type Answer, type Connection, openConnection } from "./connection.ts";

/** A whole answer, kept. */
export interface Kept {
  readonly status: number;
  readonly body: string;
  /** Whether it carried `Idempotent-Replayed: true`. */
  readonly replayed: boolean;
}

/** One request that changes something, repeatable to the byte. */
export interface Sending {
  readonly path: string;
  /** The Idempotency-Key. */
  readonly key: string;
  readonly body: string;
}

export interface Client {
  /** @throws Error when the connection breaks before the answer has come; further requests then throw as well */
  post(sending: Sending): Promise<Kept>;
  get(path: string): Promise<Kept>;
  close(): void;
}

const keep = ({ status, head, body }: Answer): Kept => ({
  status,
  body: body.toString("utf8"),
  replayed: /\r\nidempotent-replayed: true/i.test(head),
});

/** One connection, one request at a time. */
export function openClient(port: number, apiKey: string): Client {
  let settle: { resolve: (kept: Kept) => void; reject: (error: Error) => void } | undefined;
  let broken: Error | undefined;
  const connection: Connection = openConnection(port, {
    answered(answer) {
      const waiting = settle;
      settle = undefined;
      waiting?.resolve(keep(answer));
    },
    broken(error) {
      broken = error;
      settle?.reject(error);
      settle = undefined;
    },
  });
  const ask = (request: string): Promise<Kept> =>
    new Promise((resolve, reject) => {
      if (broken !== undefined) {
        reject(broken);
        return;
      }
      settle = { resolve, reject };
      connection.send(request);
    });
  const fields = `Host: 127.0.0.1\r\nX-API-Key: ${apiKey}\r\n`;
  return {
    post: ({ path, key, body }) =>
      ask(
        `POST ${path} HTTP/1.1\r\n${fields}Idempotency-Key: ${key}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
    get: (path) => ask(`GET ${path} HTTP/1.1\r\n${fields}\r\n`),
    close: () => connection.close(),
  };
}
