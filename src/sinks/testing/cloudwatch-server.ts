import type { Answer, AwsServer } from "./aws-server.ts";
import { startAwsServer } from "./aws-server.ts";

/** An event as the server keeps it. */
export interface KeptEvent {
  readonly timestamp: number;
  readonly message: string;
}

export interface CloudWatchServer extends AwsServer {
  /** By group and stream: `group/stream`. */
  readonly streams: ReadonlyMap<string, readonly KeptEvent[]>;
  /** How old an event may be, ms; 14 days where it is not set. */
  retentionMs: number;
  addGroup(name: string): void;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const JSON_11 = { "content-type": "application/x-amz-json-1.1" };

/**
 * A small CloudWatch Logs: PutLogEvents and CreateLogStream in AWS JSON 1.1, with the limits of the API reference, each of which
 * refuses the batch or turns events away as the service does.
 */
export async function startCloudWatchServer(now: () => number): Promise<CloudWatchServer> {
  const groups = new Set<string>();
  const streams = new Map<string, KeptEvent[]>();
  const settings = { retentionMs: 14 * DAY_MS };
  const failure = (name: string, status = 400): Answer => ({
    status,
    headers: JSON_11,
    body: JSON.stringify({ __type: name, message: name }),
  });
  const well = (body: object): Answer => ({ status: 200, headers: JSON_11, body: JSON.stringify(body) });

  const put = (kept: KeptEvent[], events: readonly KeptEvent[]): Answer => {
    const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0);
    const times = events.map(({ timestamp }) => timestamp);
    const sorted = times.every((time, n) => n === 0 || (times[n - 1] ?? 0) <= time);
    const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
    if (events.length === 0 || events.length > 10_000 || bytes > 1_048_576 || !sorted || span > DAY_MS)
      return failure("InvalidParameterException");
    const old = times.filter((time) => time < now() - settings.retentionMs).length;
    const early = times.findIndex((time) => time > now() + 2 * 60 * 60 * 1000);
    kept.push(...events.slice(old, early === -1 ? events.length : early));
    if (old === 0 && early === -1) return well({});
    return well({
      rejectedLogEventsInfo: {
        ...(old === 0 ? {} : { tooOldLogEventEndIndex: old }),
        ...(early === -1 ? {} : { tooNewLogEventStartIndex: early }),
      },
    });
  };

  const server = await startAwsServer({
    operationOf: (request) => String(request.headers["x-amz-target"]).replace("Logs_20140328.", ""),
    failure,
    answer(operation, _request, body) {
      const input = JSON.parse(body.toString("utf8")) as { logGroupName: string; logStreamName: string; logEvents: readonly KeptEvent[] };
      const name = `${input.logGroupName}/${input.logStreamName}`;
      if (!groups.has(input.logGroupName)) return failure("ResourceNotFoundException");
      if (operation === "CreateLogStream") {
        if (streams.has(name)) return failure("ResourceAlreadyExistsException");
        streams.set(name, []);
        return well({});
      }
      const kept = streams.get(name);
      return kept === undefined ? failure("ResourceNotFoundException") : put(kept, input.logEvents);
    },
  });
  return Object.defineProperties(server as CloudWatchServer, {
    streams: { value: streams },
    addGroup: { value: (name: string) => void groups.add(name) },
    retentionMs: {
      get: () => settings.retentionMs,
      set(ms: number) {
        settings.retentionMs = ms;
      },
    },
  });
}
