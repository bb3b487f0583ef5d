import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** One message of a stream of server-sent events. */
export interface StreamMessage {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly id: string; readonly type: string; readonly data: { readonly object: string } };
}

export interface OpenStream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly messages: readonly StreamMessage[];
  /** The last id that came, with or without data. */
  readonly lastId: string;
  readonly comments: number;
  /** Everything received. */
  readonly text: string;
  readonly ended: boolean;
  /** Stops and starts reading from the socket. */
  pause(): void;
  resume(): void;
  until(enough: (messages: readonly StreamMessage[]) => boolean, ms?: number): Promise<void>;
  untilEnded(ms?: number): Promise<void>;
  close(): void;
}

/** Opens a stream of events; resolves with the head of the answer. */
export function listen(url: string, key: string, options: { readonly lastId?: string; readonly query?: string } = {}): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const { lastId, query = "" } = options;
    const headers = { "x-api-key": key, ...(lastId === undefined ? {} : { "last-event-id": lastId }) };
    const sent: ClientRequest = request(`${url}/v1/events/stream${query}`, { headers, agent: false }, (response) => {
      const messages: StreamMessage[] = [];
      const state = { lastId: lastId ?? "", comments: 0, text: "", ended: false };
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        state.text += chunk;
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
          if (block.startsWith(":")) state.comments += 1;
          state.lastId = field("id") ?? state.lastId;
          const data = field("data");
          if (data !== undefined)
            messages.push({ id: state.lastId, type: field("event") ?? "", data: JSON.parse(data) as StreamMessage["data"] });
        }
      });
      const end = (): void => {
        state.ended = true;
      };
      response.on("end", end).on("error", end).on("close", end);
      const wait = async (good: () => boolean, ms: number, what: string): Promise<void> => {
        const limit = Date.now() + ms;
        while (!good()) {
          if (Date.now() > limit) throw new Error(`${what} in time; there were ${messages.length} messages: ${state.text.slice(-1_000)}`);
          await sleep(5);
        }
      };
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        messages,
        get lastId() {
          return state.lastId;
        },
        get comments() {
          return state.comments;
        },
        get text() {
          return state.text;
        },
        get ended() {
          return state.ended;
        },
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        until: (enough, ms = 8_000) => wait(() => enough(messages), ms, "it did not come"),
        untilEnded: (ms = 8_000) => wait(() => state.ended, ms, "it did not end"),
        close: () => sent.destroy(),
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}
