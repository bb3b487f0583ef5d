import { connect } from "node:net";

/** What came back for one request. `body` is only valid until the next answer of the same connection. */
export interface Answer {
  readonly status: number;
  /** Status line and header fields. */
  readonly head: string;
  readonly body: Buffer;
}

export interface Connection {
  /** Sends the bytes of one whole request. The next one may follow when the answer has come. */
  send(request: Buffer | string): void;
  close(): void;
}

export interface ConnectionHandlers {
  opened?(): void;
  answered(answer: Answer): void;
  /** The connection is gone; what was sent last was not answered. Called once, and never after `close`. */
  broken(error: Error): void;
}

const READ_BYTES = 64 * 1024;
const HEAD_END = Buffer.from("\r\n\r\n");
const LENGTH = /\r\ncontent-length: *(\d+)/i;
/** Position of the status code in `HTTP/1.1 200 OK`. */
const STATUS_AT = 9;

/**
 * A keep-alive HTTP/1.1 connection over a bare socket, one request at a time. It costs a fraction of what
 * `node:http` or `fetch` cost, so that a load generator leaves the machine to the server. It understands answers
 * with Content-Length only, which is what this server gives.
 */
export function openConnection(port: number, handlers: ConnectionHandlers): Connection {
  /** What has come of an answer that does not fit one read. */
  let partial = Buffer.allocUnsafe(0);
  let filled = 0;
  /** Bytes of the answer that is being read, 0 while its head has not been read. */
  let wanted = 0;
  let over = false;

  const lose = (error: Error): void => {
    if (over) return;
    over = true;
    socket.destroy();
    handlers.broken(error);
  };

  const lengthOf = (bytes: Buffer, end: number): number => {
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd === -1 || headEnd >= end) return 0;
    const length = LENGTH.exec(bytes.toString("latin1", 0, headEnd))?.[1];
    if (length === undefined) throw new Error("an answer without Content-Length");
    return headEnd + HEAD_END.length + Number(length);
  };

  const take = (bytes: Buffer): void => {
    const headEnd = bytes.indexOf(HEAD_END);
    const head = bytes.toString("latin1", 0, headEnd);
    wanted = filled = 0;
    handlers.answered({ status: Number(head.slice(STATUS_AT, STATUS_AT + 3)), head, body: bytes.subarray(headEnd + HEAD_END.length) });
  };

  const read = (count: number, chunk: Uint8Array): boolean => {
    if (over) return false;
    try {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, count);
      if (filled === 0) {
        wanted = lengthOf(bytes, count);
        if (wanted === count) {
          take(bytes);
          return true;
        }
      }
      if (partial.length < filled + count) {
        const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * (filled + count)));
        partial.copy(larger, 0, 0, filled);
        partial = larger;
      }
      bytes.copy(partial, filled);
      filled += count;
      if (wanted === 0) wanted = lengthOf(partial, filled);
      if (wanted === 0 || filled < wanted) return true;
      if (filled > wanted) throw new Error("more bytes than one answer");
      take(partial.subarray(0, filled));
    } catch (error) {
      lose(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  };

  const socket = connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer: Buffer.allocUnsafe(READ_BYTES), callback: read } });
  if (handlers.opened !== undefined) socket.once("connect", () => handlers.opened?.());
  socket.on("error", lose);
  socket.on("close", () => lose(new Error("the connection was closed")));
  return {
    send: (request) => void socket.write(request),
    close() {
      over = true;
      socket.destroy();
    },
  };
}
