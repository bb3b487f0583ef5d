import { argon2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { invariant } from "#kernel/assert.ts";
import type { Random } from "#kernel/random.ts";

/** Argon2id (RFC 9106) with the parameters it was made with, so that these can be raised later. */
export type PasswordHash = {
  readonly algorithm: "argon2id";
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  /** base64url, 16 bytes. */
  readonly salt: string;
  /** base64url, 32 bytes. */
  readonly hash: string;
};

/** 19 MiB, two passes, one lane: the second of RFC 9106's choices as OWASP's password storage cheat sheet scales it. */
export const PASSWORD_COST = { memory: 19 * 1024, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Hashes made at once. Each takes a thread of the pool that also reads files and resolves names, and 19 MiB. */
const AT_ONCE = 2;
/** Hashes that wait for their turn, of known devices and of others each. */
const MAX_WAITING = 32;

const argon2Async = promisify(argon2);

export interface Passwords {
  /** Whether a further hash of this kind would have to be refused now. */
  busy(known: boolean): boolean;
  /** @returns `undefined` when too many wait already */
  make(password: string, known: boolean): Promise<PasswordHash | undefined>;
  /**
   * Whether the password has this hash. Without a hash one of a fixed salt is made all the same and the answer is no, so that the
   * time does not tell who has a password. @returns `undefined` when too many wait already
   */
  matches(password: string, kept: PasswordHash | null, known: boolean): Promise<boolean | undefined>;
  /** Whether the hash was made with other parameters than a new one would be. */
  isOutdated(kept: PasswordHash): boolean;
}

/**
 * Hashes passwords, two at a time. Those for devices that have signed in before go first, so that a flood of guesses from elsewhere
 * does not keep out who belongs here; what does not fit the queue is refused, since whoever waits longer has gone.
 */
export function createPasswords(deps: { readonly random: Random; readonly cost?: typeof PASSWORD_COST }): Passwords {
  const { random } = deps;
  const cost = deps.cost ?? PASSWORD_COST;
  const waiting = { known: [] as (() => void)[], other: [] as (() => void)[] };
  let running = 0;

  const lineOf = (known: boolean): (() => void)[] => (known ? waiting.known : waiting.other);
  const busy = (known: boolean): boolean => running >= AT_ONCE && lineOf(known).length >= MAX_WAITING;

  async function inTurn<T>(known: boolean, work: () => Promise<T>): Promise<T | undefined> {
    if (busy(known)) return undefined;
    if (running >= AT_ONCE) {
      const turn = Promise.withResolvers<void>();
      lineOf(known).push(turn.resolve);
      // Whoever ends hands its place over, so the number that run does not change here.
      await turn.promise;
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.known.shift() ?? waiting.other.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  }

  const derive = (password: string, salt: Uint8Array, { memory, passes, parallelism }: typeof cost): Promise<Buffer> =>
    argon2Async("argon2id", { message: password.normalize("NFKC"), nonce: salt, memory, passes, parallelism, tagLength: HASH_BYTES });

  return {
    busy,
    make: (password, known) =>
      inTurn(known, async () => {
        const salt = random.bytes(SALT_BYTES);
        const hash = await derive(password, salt, cost);
        return { algorithm: "argon2id", ...cost, salt: Buffer.from(salt).toString("base64url"), hash: hash.toString("base64url") };
      }),
    matches: (password, kept, known) =>
      inTurn(known, async () => {
        if (kept === null) {
          await derive(password, new Uint8Array(SALT_BYTES), cost);
          return false;
        }
        const wanted = Buffer.from(kept.hash, "base64url");
        invariant(kept.algorithm === "argon2id" && wanted.length === HASH_BYTES, "a stored password hash is malformed");
        const { memory, passes, parallelism } = kept as typeof cost & PasswordHash;
        return timingSafeEqual(await derive(password, Buffer.from(kept.salt, "base64url"), { memory, passes, parallelism }), wanted);
      }),
    isOutdated: (kept) => kept.memory !== cost.memory || kept.passes !== cost.passes || kept.parallelism !== cost.parallelism,
  };
}
