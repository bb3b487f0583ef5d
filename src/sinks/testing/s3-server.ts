import { hash } from "node:crypto";
import type { Answer, AwsServer } from "./aws-server.ts";
import { startAwsServer } from "./aws-server.ts";

/** An object as the server keeps it. */
export interface KeptObject {
  readonly body: Buffer;
  readonly sha256: string;
  readonly mode: string;
  readonly until: number;
  /** When it was written, ms. */
  readonly at: number;
}

export interface S3Server extends AwsServer {
  /** By key. */
  readonly objects: Map<string, KeptObject>;
}

const BUCKET = "audit";

/** The one bucket of such a server, with object lock. */
export { BUCKET as TEST_BUCKET };

/**
 * A small S3 with one bucket that has object lock: PutObject with `If-None-Match: *`, a checksum and a retention, and HeadObject.
 * As the service does, it refuses a checksum that is not the body's, and a retention that is not in the future.
 */
export async function startS3Server(now: () => number): Promise<S3Server> {
  const objects = new Map<string, KeptObject>();
  const failure = (name: string, status = 400): Answer => ({
    status,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${name}</Code><Message>${name}</Message></Error>`,
  });
  const server = await startAwsServer({
    operationOf: (request) => (request.method === "HEAD" ? "HeadObject" : request.method === "PUT" ? "PutObject" : `${request.method}`),
    failure,
    answer(operation, request, body) {
      const path = decodeURIComponent(new URL(request.url ?? "/", "http://s3").pathname);
      if (!path.startsWith(`/${BUCKET}/`)) return failure("NoSuchBucket", 404);
      const key = path.slice(BUCKET.length + 2);
      const held = objects.get(key);
      if (operation === "HeadObject") return held === undefined ? failure("NotFound", 404) : { status: 200, headers: headersOf(held) };
      const header = (name: string): string => String(request.headers[name] ?? "");
      if (header("if-none-match") === "*" && held !== undefined) return failure("PreconditionFailed", 412);
      const sha256 = hash("sha256", body, "base64");
      if (header("x-amz-checksum-sha256") !== sha256) return failure("BadDigest");
      const until = Date.parse(header("x-amz-object-lock-retain-until-date"));
      const mode = header("x-amz-object-lock-mode");
      if (!["COMPLIANCE", "GOVERNANCE"].includes(mode) || !(until > now())) return failure("InvalidArgument");
      objects.set(key, { body, sha256, mode, until, at: now() });
      return { status: 200, headers: { etag: '"x"' } };
    },
  });
  return Object.defineProperties(server as S3Server, { objects: { value: objects } });
}

/** What HeadObject tells. Of an object without a lock nothing is told of one. */
function headersOf({ sha256, mode, until, at }: KeptObject): Record<string, string> {
  const lock = { "x-amz-object-lock-mode": mode, "x-amz-object-lock-retain-until-date": new Date(until).toISOString() };
  return { "x-amz-checksum-sha256": sha256, "last-modified": new Date(at).toUTCString(), ...(mode === "" ? {} : lock) };
}
