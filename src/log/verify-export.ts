import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { leafHash, sha256 } from "./hashing.ts";
import type { Verifier } from "./note-keys.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import type { Edge } from "./tree.ts";

/** The files of an export, wherever they lie: names as in the archive, below its prefix. */
export interface ExportedFiles {
  /** All names, in any order. */
  readonly names: readonly string[];
  /** The bytes of one. */
  read(name: string): Buffer;
}

export interface VerifyExportOptions {
  readonly files: ExportedFiles;
  readonly log: Verifier;
  /** A checkpoint kept from before. */
  readonly since?: string;
  readonly onProgress?: (verified: number, size: number) => void;
}

export type ExportReport =
  | {
      readonly ok: true;
      /** Leaves that a signed checkpoint covers. */
      readonly size: number;
      /** Leaves behind the last checkpoint, whose own has not been written yet. */
      readonly uncovered: number;
      readonly checkpoints: number;
      readonly root: Buffer;
    }
  | { readonly ok: false; readonly index?: number; readonly what: string };

const EVENTS = /^events\/(\d{16})-(\d{16})\.ndjson$/;
const CHECKPOINT = /^checkpoints\/(\d{16})\.txt$/;
const NEWLINE = 0x0a;

interface Range {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const wrong = (what: string, index?: number): ExportReport => ({ ok: false, what, ...(index === undefined ? {} : { index }) });

/**
 * Checks an export offline, with nothing but the log's keys: the ranges follow each other from the first leaf on without gap or overlap,
 * every line's SHA-256 is an entry, and the tree of them has at every checkpoint the root that the log has signed.
 */
export function verifyExport({ files, log, since, onProgress }: VerifyExportOptions): ExportReport {
  const ranges: Range[] = [];
  const heads = new Map<number, Checkpoint>();
  for (const name of files.names) {
    const [, from, to] = EVENTS.exec(name) ?? [];
    if (from !== undefined && to !== undefined) ranges.push({ name, from: Number(from), to: Number(to) });
    else if (!CHECKPOINT.test(name)) return wrong(`${name} is no file of an export`);
  }
  for (const name of files.names) {
    const size = CHECKPOINT.exec(name)?.[1];
    if (size === undefined) continue;
    const opened = openCheckpoint(files.read(name).toString("utf8"), log);
    if (!opened.ok) return wrong(`${name} is not to be believed: ${opened.fault}`);
    if (opened.checkpoint.size !== Number(size)) return wrong(`${name} is a checkpoint of ${opened.checkpoint.size}`);
    heads.set(Number(size), opened.checkpoint);
  }
  const earlier = since === undefined ? undefined : openCheckpoint(since, log);
  if (earlier?.ok === false) return wrong(`the earlier checkpoint is not to be believed: ${earlier.fault}`);
  ranges.sort((a, b) => a.from - b.from || a.to - b.to);
  const size = ranges.at(-1)?.to ?? 0;
  if (heads.size === 0) return wrong("there is no checkpoint: nothing says that this is the log");

  let edge: Edge = EMPTY_EDGE;
  let covered: { readonly size: number; readonly root: Buffer } = { size: 0, root: rootOf(EMPTY_EDGE) };
  let passed = 0;
  /** What the tree has to be at its present size. */
  const meet = (): ExportReport | undefined => {
    const head = heads.get(edge.size);
    if (head !== undefined) {
      passed += 1;
      if (!rootOf(edge).equals(head.root)) return wrong(`the first ${edge.size} leaves are not those that were signed`, covered.size);
      covered = { size: edge.size, root: head.root };
    }
    if (earlier?.ok === true && earlier.checkpoint.size === edge.size && !rootOf(edge).equals(earlier.checkpoint.root))
      return wrong("the log did not grow from the earlier checkpoint: this is another history", edge.size);
    return undefined;
  };
  const first = meet();
  if (first !== undefined) return first;
  for (const { name, from, to } of ranges) {
    if (from > edge.size) return wrong(`leaves ${edge.size} to ${from - 1} are missing`, edge.size);
    if (from < edge.size) return wrong(`${name} begins again before leaf ${edge.size}`, from);
    const lines = linesOf(files.read(name));
    if (lines === undefined || lines.length !== to - from) return wrong(`${name} does not have ${to - from} lines`, from);
    for (const line of lines) {
      edge = append(edge, [leafHash(sha256(line))]);
      const bad = meet();
      if (bad !== undefined) return bad;
    }
    onProgress?.(edge.size, size);
  }
  if (passed < heads.size) return wrong(`there is a checkpoint of more leaves than the ${edge.size} that are here`, edge.size);
  if (earlier?.ok === true && earlier.checkpoint.size > edge.size)
    return wrong(`the export has ${edge.size} leaves, the earlier checkpoint ${earlier.checkpoint.size}`, edge.size);
  return { ok: true, size: covered.size, uncovered: edge.size - covered.size, checkpoints: heads.size, root: covered.root };
}

/** The lines without their breaks, as bytes; `undefined` where the last one has none. */
function linesOf(bytes: Buffer): readonly Buffer[] | undefined {
  if (bytes.at(-1) !== NEWLINE) return undefined;
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    lines.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return lines;
}
