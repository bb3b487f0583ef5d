import { CloudWatchLogsClient, CreateLogStreamCommand, PutLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import type { CloudWatchLogsClientConfig, RejectedLogEventsInfo } from "@aws-sdk/client-cloudwatch-logs";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { boundedHandler, errorName, sinkErrorOf } from "../aws-failure.ts";
import type { LineSink } from "../port.ts";
import { SinkError } from "../port.ts";
import { retried } from "../retry.ts";
import { batchesOf, logEventOf } from "./batches.ts";
import type { LogEvent } from "./batches.ts";

export interface CloudWatchOptions {
  readonly group: string;
  readonly stream: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Left out, as credentials: found as every AWS tool finds them. */
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly credentials?: NonNullable<CloudWatchLogsClientConfig["credentials"]>;
  /** Milliseconds one attempt may take. Default 10,000. */
  readonly attemptMs?: number;
}

const ATTEMPT_MS = 10_000;

/** Lines to one stream of CloudWatch Logs. The stream is made where it is missing; the group, with its retention and key, is not ours to make. */
export function openCloudWatchSink(options: CloudWatchOptions): LineSink {
  const { group, stream, clock, random, region, endpoint, credentials, attemptMs = ATTEMPT_MS } = options;
  const client = new CloudWatchLogsClient({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    ...boundedHandler(attemptMs),
  });
  const bounded = () => ({ abortSignal: AbortSignal.timeout(2 * attemptMs) });
  const names = { logGroupName: group, logStreamName: stream };

  const createStream = async (): Promise<void> => {
    try {
      await client.send(new CreateLogStreamCommand(names), bounded());
    } catch (error) {
      if (errorName(error) !== "ResourceAlreadyExistsException") throw sinkErrorOf("CloudWatch Logs did not make the stream", error);
    }
  };

  /** @returns the events that were turned away for their times */
  const put = (events: readonly LogEvent[]): Promise<readonly LogEvent[]> =>
    retried({ clock, random }, async () => {
      for (let attempt = 0; ; attempt++) {
        try {
          const answer = await client.send(new PutLogEventsCommand({ ...names, logEvents: [...events] }), bounded());
          return rejected(events, answer.rejectedLogEventsInfo);
        } catch (error) {
          const name = errorName(error);
          // The very same batch was kept before: its answer got lost.
          if (name === "DataAlreadyAcceptedException") return [];
          if (name !== "ResourceNotFoundException" || attempt > 0) throw sinkErrorOf("CloudWatch Logs did not take events", error);
          await createStream();
        }
      }
    });

  return {
    name: "cloudwatch",
    takes: "lines",
    async send(lines) {
      const now = clock.now();
      for (const batch of batchesOf(lines.map((line) => logEventOf(line, now)))) {
        const turnedAway = await put(batch);
        if (turnedAway.length === 0) continue;
        // The group's retention may be shorter than 14 days: filed under now they are kept, with their own time in the message.
        const again = turnedAway.map((event) => ({ ...event, timestamp: clock.now() }));
        for (const rest of batchesOf(again))
          if ((await put(rest)).length > 0) throw new SinkError("CloudWatch Logs turns events away for their times", { passing: false });
      }
    },
    close: () => client.destroy(),
  };
}

/** Events before the ends and from the start that the answer names. PutLogEvents, RejectedLogEventsInfo. */
function rejected(events: readonly LogEvent[], info: RejectedLogEventsInfo | undefined): readonly LogEvent[] {
  if (info === undefined) return [];
  const end = Math.max(info.tooOldLogEventEndIndex ?? 0, info.expiredLogEventEndIndex ?? 0);
  const start = info.tooNewLogEventStartIndex ?? events.length;
  return events.filter((_, n) => n < end || n >= start);
}
