import { fromBase64, parseDecimal, toBase64 } from "./base64.ts";
import { HASH_BYTES } from "./hashing.ts";
import type { Hash } from "./hashing.ts";

/** A proof that an entry is in a log, by itself: what an auditor keeps. C2SP tlog-proof. */
export interface InclusionProof {
  /** What the entry is to be recomputed with; not signed by itself. */
  readonly extra?: Buffer;
  readonly index: number;
  readonly hashes: readonly Hash[];
  /** The signed note. */
  readonly checkpoint: string;
}

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_HASHES = 63;
const MAX_CHARACTERS = 200_000;

/** Writes a proof as text. */
export function formatProof({ extra, index, hashes, checkpoint }: InclusionProof): string {
  const lines = [HEADER, ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]), `index ${index}`, ...hashes.map(toBase64)];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** Reads a proof, strictly. The checkpoint inside is not looked at. @returns `undefined` for anything malformed */
export function parseProof(text: string): InclusionProof | undefined {
  const split = text.indexOf("\n\n");
  if (split === -1 || text.length > MAX_CHARACTERS) return undefined;
  const [header, ...rest] = text.slice(0, split).split("\n");
  if (header !== HEADER) return undefined;
  const hasExtra = rest[0]?.startsWith("extra ") === true;
  const extra = hasExtra ? fromBase64(rest[0]?.slice("extra ".length) ?? "") : undefined;
  const [indexLine = "", ...lines] = hasExtra ? rest.slice(1) : rest;
  const index = indexLine.startsWith("index ") ? parseDecimal(indexLine.slice("index ".length)) : undefined;
  const hashes = parseHashes(lines);
  if (index === undefined || hashes === undefined || (hasExtra && extra === undefined)) return undefined;
  return { ...(extra === undefined ? {} : { extra }), index, hashes, checkpoint: text.slice(split + 2) };
}

/** Hashes, one a line in base64. @returns `undefined` when one is malformed or there are more than any proof has */
export function parseHashes(lines: readonly string[]): readonly Hash[] | undefined {
  if (lines.length > MAX_HASHES) return undefined;
  const hashes = lines.map(fromBase64).filter((hash) => hash?.length === HASH_BYTES);
  return hashes.length === lines.length ? (hashes as Hash[]) : undefined;
}
