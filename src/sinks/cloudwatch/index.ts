export { openCloudWatchSink } from "./cloudwatch-sink.ts";
export type { CloudWatchOptions } from "./cloudwatch-sink.ts";
