export { openAwsKms } from "./aws-kms.ts";
export type { AwsKmsOptions } from "./aws-kms.ts";
