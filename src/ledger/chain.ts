import type { TransactionId } from "#kernel/ids.ts";

/**
 * An account's history is a chain of links kept inside the transactions themselves: every transaction
 * that touches the account holds a link to the one before it. The commit stays append-only (no index by
 * account is written), and the history is read strongly consistent by keys alone on every store.
 *
 * So that a time or a page deep in the past is found without walking every link, link n also points
 * back 16, 256, 4096 … links where n is a multiple of that power: a deterministic skip list. Finding
 * any link of a chain of length n takes at most about 30 reads per power of 16.
 */
export interface Chain {
  /** How many links there are; the newest one has this number. */
  readonly length: number;
  readonly last: TransactionId | null;
  /** `marks[j]` is the transaction of the newest link whose number is a multiple of 16^(j+1). */
  readonly marks: readonly (TransactionId | null)[];
  /** Time of the newest link, ms. Times never go back along a chain, whatever a node's clock does. */
  readonly at: number;
}

export const emptyChain: Chain = { length: 0, last: null, marks: [], at: 0 };

/** The pointers of one link. */
export interface Link {
  /** 1, 2, 3 … without a gap. */
  readonly number: number;
  /** The transaction of link `number - 1`. */
  readonly previous: TransactionId | null;
  /** `skips[j]` is the transaction of link `number - 16^(j+1)`, for every power that divides `number`. */
  readonly skips: readonly (TransactionId | null)[];
}

export const SKIP = 16;

/** Appends a link for `transaction`; `at` must not lie before the chain's own time. */
export function append(chain: Chain, transaction: TransactionId, at: number): { readonly chain: Chain; readonly link: Link } {
  const number = chain.length + 1;
  let marks = chain.marks;
  let skips: (TransactionId | null)[] = [];
  if (number % SKIP === 0) {
    const next = chain.marks.slice();
    skips = [];
    for (let level = 0, power = SKIP; number % power === 0; level += 1, power *= SKIP) {
      skips.push(chain.marks[level] ?? null);
      next[level] = transaction;
    }
    marks = next;
  }
  return {
    chain: { length: number, last: transaction, marks, at },
    link: { number, previous: chain.last, skips },
  };
}

/** Where a link is found: its number and the transaction that holds it. */
export interface LinkAddress {
  readonly number: number;
  readonly transaction: TransactionId;
}

/** The addresses one can go to from a link, the farthest back first. */
export function stepsBack(link: Link): readonly LinkAddress[] {
  const steps: LinkAddress[] = [];
  for (let level = link.skips.length - 1; level >= 0; level -= 1) {
    const transaction = link.skips[level];
    if (transaction) steps.push({ number: link.number - SKIP ** (level + 1), transaction });
  }
  if (link.previous !== null) steps.push({ number: link.number - 1, transaction: link.previous });
  return steps;
}
