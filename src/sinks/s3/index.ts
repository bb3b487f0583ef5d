export { openS3Sink } from "./s3-sink.ts";
export type { S3Options } from "./s3-sink.ts";
