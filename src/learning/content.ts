import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { invariant } from "#kernel/assert.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import { MODELS_TABLE } from "./model-record.ts";

/** Characters of one piece: with its names it stays below the 400 KB that an item of DynamoDB may have. */
const PIECE_LENGTH = 250_000;
/** Pieces of one content, so that all of them fit into one commit of every store. */
const MAX_PIECES = 12;
/** The longest text of a model, however well it packs. */
export const MAX_TEXT_BYTES = 32 * 1024 * 1024;

/** A part of a model's content. Written with the model, in the same commit; never changed. */
export interface Piece extends Versioned {
  readonly modelId: RiskModelId;
  readonly index: number;
  readonly content: string;
}

const pieceKey = (modelId: string, index: number) => ({ hash: `${modelId}#${index}` });

export const pieces: Collection<Piece> = {
  table: MODELS_TABLE,
  keyOf: ({ modelId, index }) => pieceKey(modelId, index),
  toItem: ({ modelId, index, content, version }) => ({ id: pieceKey(modelId, index).hash, model_id: modelId, index, content, version }),
  fromItem: (item) => ({
    modelId: item.model_id as RiskModelId,
    index: Number(item.index),
    content: String(item.content),
    version: Number(item.version),
  }),
};

const gzipped = promisify(gzip);
const gunzipped = promisify(gunzip);

/** A model's text as it is kept: base64 of gzip, cut into pieces; `undefined` when it is too large to be kept. */
export async function packContent(text: string): Promise<readonly string[] | undefined> {
  const packed = (await gzipped(text, { level: 6 })).toString("base64");
  const cut: string[] = [];
  for (let at = 0; at < packed.length; at += PIECE_LENGTH) cut.push(packed.slice(at, at + PIECE_LENGTH));
  return cut.length > MAX_PIECES ? undefined : cut;
}

/** The pieces of a new model's content. */
export function piecesOf(modelId: RiskModelId, packed: readonly string[]): Piece[] {
  return packed.map((content, index) => ({ modelId, index, content, version: 1 }));
}

/** A kept content cannot be what was written. Trying again does not help. */
export class BrokenContentError extends Error {
  override readonly name = "BrokenContentError";
}

/**
 * The text of a model's content.
 * @throws BrokenContentError when pieces are missing or cannot be unpacked; StoreUnavailableError when they cannot be read.
 */
export async function readContent(store: Store, modelId: RiskModelId, count: number): Promise<string> {
  invariant(count >= 1 && count <= MAX_PIECES, "a model has as many pieces as are written at most");
  const items = await store.getMany(Array.from({ length: count }, (_, index) => ({ table: MODELS_TABLE, key: pieceKey(modelId, index) })));
  let packed = "";
  for (const item of items) {
    if (item === undefined) throw new BrokenContentError(`a piece of the content of ${modelId} is missing`);
    packed += pieces.fromItem(item).content;
  }
  try {
    return await unpack(Buffer.from(packed, "base64"));
  } catch (error) {
    throw new BrokenContentError(`the content of ${modelId} cannot be unpacked`, { cause: error });
  }
}

/** The text of a gzip. @throws when it is none, or longer than `MAX_TEXT_BYTES`: what unpacks to more than fits is cut off on the way. */
export async function unpack(bytes: Uint8Array): Promise<string> {
  return (await gunzipped(bytes, { maxOutputLength: MAX_TEXT_BYTES })).toString("utf8");
}
