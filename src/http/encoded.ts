import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Bytes that are the same for everyone, as they are and compressed once. */
export interface Encoded {
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

const compress = promisify(gzip);

/** Compresses public bytes. Not for answers with secrets: their length would tell of what stands beside them (BREACH). */
export async function encoded(plain: Buffer): Promise<Encoded> {
  return { plain, gzip: await compress(plain) };
}

/** Sends the bytes in the coding that the request takes. */
export function sendEncoded(request: FastifyRequest, reply: FastifyReply, { plain, gzip: packed }: Encoded): FastifyReply {
  reply.header("vary", "accept-encoding");
  return takesGzip(request.headers["accept-encoding"]) ? reply.header("content-encoding", "gzip").send(packed) : reply.send(plain);
}

/** Whether an Accept-Encoding takes gzip (RFC 9110 section 12.5.3). One without the header takes anything, but is sent the bytes plain. */
export function takesGzip(accepted: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const part of String(accepted ?? "").split(",")) {
    const [coding = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    weights.set(coding, weight === undefined ? 1 : Number(weight));
  }
  return (weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0) > 0;
}
