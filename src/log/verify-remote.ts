import type { Clock } from "#kernel/clock.ts";
import { firstIdAt } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { EMPTY_ROOT, leafHash } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import type { Verifier } from "./note-keys.ts";
import { parseHashes } from "./proof-text.ts";
import { formatTilePath, parseBundle, TILE_WIDTH } from "./tiles.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import type { Edge } from "./tree.ts";
import { verifyConsistency } from "./verify-proofs.ts";
import { checksumShown, verifyReceipt } from "./verify-receipt.ts";

export interface VerifyRemoteOptions {
  /** Fetches a path with the organisation's key. Waits where the server asks to. */
  readonly get: (path: string) => Promise<{ readonly status: number; readonly body: Buffer }>;
  readonly log: Verifier;
  /** Of the one who verifies: tells how long an event may have been without a proof. */
  readonly clock: Pick<Clock, "now">;
  readonly witnesses?: readonly Verifier[];
  /** A checkpoint kept from before. */
  readonly since?: string;
  readonly onProgress?: (verified: number, size: number) => void;
}

export type RemoteReport =
  | {
      readonly ok: true;
      readonly size: number;
      readonly root: Hash;
      /** The organisation's own events. */
      readonly events: number;
      readonly unsealed: number;
      readonly accounts: number;
      /** Witnesses that have not cosigned the newest checkpoint that any has cosigned. */
      readonly lacking: readonly string[];
      /** To be kept, and given as `since` the next time. */
      readonly checkpoint: string;
    }
  | { readonly ok: false; readonly index?: number; readonly what: string };

class Wrong extends Error {
  override readonly name = "Wrong";
  readonly index: number | undefined;
  constructor(what: string, index?: number) {
    super(what);
    this.index = index;
  }
}

/** More than any organisation has: a server that always says there is more must not keep us for ever. */
const MAX_PAGES = 10_000_000;
/** How long an event may be without a proof: sealing takes about a second. */
const UNPROVED_MS = 60_000;
/** Events asked for at once. */
const PARALLEL = 10;

/**
 * Checks a running server from outside: the signature of its checkpoint, that the log grew from the one seen before, the
 * whole tree from its entries, each event of the organisation against its leaf, and the organisation's balances.
 * What it cannot see is what other organisations' entries say.
 */
export async function verifyRemote(options: VerifyRemoteOptions): Promise<RemoteReport> {
  try {
    return await verify(options);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return { ok: false, what: error.message, ...(error.index === undefined ? {} : { index: error.index }) };
  }
}

async function verify({ get, log, clock, witnesses = [], since, onProgress }: VerifyRemoteOptions): Promise<RemoteReport> {
  const fetched = async (path: string): Promise<Buffer> => {
    const { status, body } = await get(path);
    if (status !== 200) throw new Wrong(`${path} answers ${status}`);
    return body;
  };
  const json = async (path: string): Promise<JsonObject> => {
    const text = (await fetched(path)).toString("utf8");
    try {
      return JSON.parse(text) as JsonObject;
    } catch {
      throw new Wrong(`${path} answers with no JSON`);
    }
  };
  const consistent = async (from: { size: number; root: Hash }, to: { size: number; root: Hash }, whose: string): Promise<void> => {
    if (from.size > to.size) throw new Wrong(`the log was cut back: ${whose} has ${from.size} leaves, the log ${to.size}`, to.size);
    const { hashes } = await json(`/v1/audit/consistency?from=${from.size}&to=${to.size}`);
    const proof = Array.isArray(hashes) ? parseHashes((hashes as unknown[]).map(String)) : undefined;
    if (proof === undefined || !verifyConsistency(from.size, to.size, proof, from.root, to.root))
      throw new Wrong(`the log did not grow from ${whose}: this is another history`);
  };

  const text = (await fetched(`/v1/audit/checkpoint?witnessed=${witnesses.length > 0}`)).toString("utf8");
  // One witness that was away does not make the log wrong; that none has signed would be no witness at all.
  const lacking = witnesses.filter((witness) => {
    const alone = openCheckpoint(text, log, [witness]);
    return !alone.ok && alone.fault === "witness_missing";
  });
  const needed = witnesses.filter((witness) => !lacking.includes(witness));
  const opened = openCheckpoint(text, log, needed.length === 0 ? witnesses : needed);
  if (!opened.ok) throw new Wrong(`the checkpoint is not to be believed: ${opened.fault}`);
  const { size, root } = opened.checkpoint;
  if (since !== undefined) {
    const before = openCheckpoint(since, log);
    if (!before.ok) throw new Wrong(`the earlier checkpoint is not to be believed: ${before.fault}`);
    let now: { readonly size: number; readonly root: Hash } = opened.checkpoint;
    if (before.checkpoint.size > size && witnesses.length > 0) {
      // Seen before the witnesses have come to it: it is held against the newest, which has to have grown from theirs as well.
      const newest = openCheckpoint((await fetched("/v1/audit/checkpoint?witnessed=false")).toString("utf8"), log);
      if (!newest.ok) throw new Wrong(`the newest checkpoint is not to be believed: ${newest.fault}`);
      now = newest.checkpoint;
      await consistent(opened.checkpoint, now, "the checkpoint of the witnesses");
    }
    await consistent(before.checkpoint, now, "the earlier checkpoint");
  }

  let edge: Edge = EMPTY_EDGE;
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const entries = parseBundle(await fetched(`/v1/audit/tile/${formatTilePath({ level: "entries", index, width })}`));
    if (entries?.length !== width) throw new Wrong("a bundle of entries is malformed", index * TILE_WIDTH);
    edge = append(edge, entries.map(leafHash));
    onProgress?.(edge.size, size);
  }
  if (!(size === 0 ? EMPTY_ROOT : rootOf(edge)).equals(root)) throw new Wrong("the entries are not those of the signed tree");

  const heads = new Map<string, { readonly size: number; readonly root: Hash }>([[text, opened.checkpoint]]);
  const sums = new Map<string, bigint>();
  let events = 0;
  let unsealed = 0;
  let cursor = "";
  let last: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const list = await json(`/v1/audit/events?limit=100${cursor}`);
    const ids = (list.data as readonly { readonly id: string }[]).map(({ id }) => id);
    for (const id of ids) {
      // One that is shown twice would count twice, and could make up for another.
      if (last !== undefined && id >= last) throw new Wrong(`the list of events has ${id} twice or out of order`);
      last = id;
    }
    const shown: JsonObject[] = [];
    for (let at = 0; at < ids.length; at += PARALLEL)
      shown.push(...(await Promise.all(ids.slice(at, at + PARALLEL).map((id) => json(`/v1/audit/events/${id}`)))));
    for (const [n, event] of shown.entries()) {
      const id = ids[n] ?? "";
      if (event.id !== id || event.event_id !== id) throw new Wrong(`another event is shown as ${id}`);
      events += 1;
      for (const { account_id, amount } of (event.entries ?? []) as unknown as readonly { account_id: string; amount: number }[])
        sums.set(account_id, (sums.get(account_id) ?? 0n) + BigInt(amount));
      if (event.proof === null) {
        if (event.checksum !== checksumShown(event)) throw new Wrong(`event ${id}, without a proof, does not have its checksum`);
        const now = clock.now();
        const ofNow = id >= firstIdAt("event", now - UNPROVED_MS) && id < firstIdAt("event", now + UNPROVED_MS);
        if (!ofNow || !(Math.abs(now - Date.parse(String(event.timestamp))) <= UNPROVED_MS))
          throw new Wrong(`event ${id} of ${String(event.timestamp)} still has no proof`);
        unsealed += 1;
        continue;
      }
      const receipt = verifyReceipt(event, undefined, log);
      const index = Number((event.proof as JsonObject).index);
      if (!receipt.ok) throw new Wrong(`event ${id}: ${receipt.what}`, index);
      // Most proofs are by the checkpoint that was checked; of another one it is asked once whether it is of the same history.
      const by = String((event.proof as JsonObject).checkpoint);
      if (!heads.has(by)) {
        if (receipt.size >= size) await consistent(opened.checkpoint, receipt, "the checkpoint at the beginning");
        else await consistent(receipt, opened.checkpoint, `the checkpoint of event ${id}`);
        heads.set(by, receipt);
      }
    }
    if (list.next_cursor === null || list.next_cursor === undefined) break;
    cursor = `&cursor=${encodeURIComponent(String(list.next_cursor))}`;
  }
  for (const [id, sum] of sums) {
    const { balance } = await json(`/v1/accounts/${id}`);
    if (typeof balance !== "number" || BigInt(balance) !== sum)
      throw new Wrong(`account ${id} has ${String(balance)}, its events say ${sum} (or it moved meanwhile)`);
  }
  return { ok: true, size, root, events, unsealed, accounts: sums.size, lacking: lacking.map(({ name }) => name), checkpoint: text };
}
