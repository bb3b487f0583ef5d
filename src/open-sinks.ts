import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Sink } from "#sinks/index.ts";
import type { Config } from "./config.ts";

/**
 * Opens the audit sinks that are set up. The AWS SDK is loaded on demand. Nothing is sent: a sink that cannot be reached is no reason not
 * to start.
 */
export async function openSinks(config: Config, clock: Clock, random: Random): Promise<readonly Sink[]> {
  const { cloudwatch, s3 } = config.auditSinks;
  const sinks: Sink[] = [];
  if (cloudwatch !== undefined) {
    const { openCloudWatchSink } = await import("#sinks/cloudwatch/index.ts");
    sinks.push(openCloudWatchSink({ ...cloudwatch, clock, random }));
  }
  if (s3 !== undefined) {
    const { openS3Sink } = await import("#sinks/s3/index.ts");
    sinks.push(openS3Sink({ ...s3, clock, random }));
  }
  return sinks;
}
