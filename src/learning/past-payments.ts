import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { newestIdOf, oldestIdOf } from "#kernel/id-times.ts";
import { PARTITIONS, partitionName } from "#kernel/ids.ts";
import type { LabelValue } from "#labels/index.ts";
import { labelsOf, listLabels } from "#labels/index.ts";
import type { Transaction } from "#ledger/index.ts";
import { transactions } from "#ledger/index.ts";
import { assessmentFromItem, decodeFeatures, ONE, weigh } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";

/** A past payment of which it is known by now what it was. */
export interface PastPayment {
  /** As the decision saw it. */
  readonly vector: Float64Array;
  readonly fraud: boolean;
  /** Milliseconds. */
  readonly at: number;
  /** The paying account. */
  readonly payer: string;
  /** What the five factors said, 0 to 1. */
  readonly factors: number;
}

export interface PastWindow {
  readonly organisationId: OrganisationId;
  /** Creation, ms: inclusive, exclusive. */
  readonly from: number;
  readonly to: number;
  /** Of more than these a random part of the newest is taken. */
  readonly maxRows: number;
}

export interface PastCounts {
  /** Payments of the window that were looked at. */
  readonly examined: number;
  /** Of these: those that can be learnt from. */
  readonly usable: number;
  readonly frauds: number;
}

export interface PastReader {
  readonly store: Store;
  readonly sleep: (ms: number) => Promise<void>;
  /** Payments read at once; 1,000 at most. */
  readonly pageSize: number;
  /** Pages of labels kept in memory. Default 500, of a thousand each. */
  readonly maxLabelPages?: number;
}

/** How many parts an organisation's payments are read in; what is in which is random. */
export const PAYMENT_PARTS = PARTITIONS;

const LABELS_PER_PAGE = 1_000;
const MAX_LABEL_PAGES = 500;
/** Pages of one part: more than the bound of payments looked at makes. */
const MAX_PAGES_PER_PART = 50_000;
/** Payments looked at, at most, for one that can be learnt from: where few can, the reading must end nonetheless. */
const LOOKED_AT_FOR_ONE = 5;
const LOOKED_AT_LEAST = 10_000;
/** A breath between pages, so that payments come first. */
const PAUSE_MS = 2;

/**
 * Visits the payments of a window of which it is known what they were: labelled ones, and those that posted without any label, which
 * have turned out honest once the window is old enough. What was refused or still waits without a label is passed over: nobody knows
 * what it would have been, and to call it honest would teach that blocking was wrong. So is what was decided on other features.
 * @param visit synchronous
 * @param onPage asked after every page; `false` ends the reading
 * @returns undefined when it was ended. @throws StoreUnavailableError, InvalidCursorError
 */
export async function visitPast(
  { store, sleep, pageSize, maxLabelPages = MAX_LABEL_PAGES }: PastReader,
  window: PastWindow,
  visit: (payment: PastPayment) => void,
  onPage: (counts: PastCounts, part: number) => Promise<boolean> | boolean,
): Promise<PastCounts | undefined> {
  const { organisationId, from, to } = window;
  const labels = await labelsFrom(store, organisationId, from, maxLabelPages);
  const maxPerPart = Math.ceil(window.maxRows / PAYMENT_PARTS);
  let counts: PastCounts = { examined: 0, usable: 0, frauds: 0 };
  for (let part = 0; part < PAYMENT_PARTS; part++) {
    let cursor: string | undefined;
    let taken = 0;
    let looked = 0;
    for (let pages = 0; pages < MAX_PAGES_PER_PART; pages++) {
      const page = await store.query({
        table: "smartfinance-transactions",
        hash: partitionName(organisationId, part),
        from: oldestIdOf("transaction", from),
        to: newestIdOf("transaction", to),
        order: "descending",
        limit: pageSize,
        ...(cursor === undefined ? {} : { cursor }),
      });
      let { examined, usable, frauds } = counts;
      const judged = page.items
        .map((item) => transactions.fromItem(item))
        .filter(({ createdAt, assessment }) => createdAt >= from && createdAt < to && assessment !== null);
      const known = labels ?? (await labelsBy(store, organisationId, judged));
      for (const transaction of judged) {
        examined += 1;
        const payment = pastPayment(transaction, known.get(transaction.id));
        if (payment === undefined || taken >= maxPerPart) continue;
        visit(payment);
        taken += 1;
        usable += 1;
        frauds += payment.fraud ? 1 : 0;
      }
      counts = { examined, usable, frauds };
      looked += page.items.length;
      if (!(await onPage(counts, part))) return undefined;
      cursor = page.cursor;
      if (cursor === undefined || taken >= maxPerPart || looked >= maxPerPart * LOOKED_AT_FOR_ONE + LOOKED_AT_LEAST) break;
      await sleep(PAUSE_MS);
    }
  }
  return counts;
}

/**
 * What is known of payments since `from`, by transaction; `undefined` where that is more than is kept in memory: of a part of it, what was
 * found out last would be missing and the frauds among it be taken for honest. A payment is judged after it was made, so no label of
 * the window is older.
 */
async function labelsFrom(
  store: Store,
  organisationId: OrganisationId,
  from: number,
  maxPages: number,
): Promise<ReadonlyMap<string, LabelValue> | undefined> {
  const found = new Map<string, LabelValue>();
  let cursor: string | undefined;
  for (let pages = 0; pages < maxPages; pages++) {
    // Ascending: one that is judged again meanwhile comes twice, and the later judgement stays.
    const page = await listLabels(store, organisationId, { from, to: undefined, order: "ascending", limit: LABELS_PER_PAGE, cursor });
    for (const { transactionId, current } of page.labels) found.set(transactionId, current.label);
    cursor = page.cursor;
    if (cursor === undefined) return found;
  }
  return undefined;
}

/** What is known of these payments. */
async function labelsBy(
  store: Store,
  organisationId: OrganisationId,
  of: readonly Transaction[],
): Promise<ReadonlyMap<string, LabelValue>> {
  const found = await labelsOf(
    store,
    organisationId,
    of.map(({ id }) => id),
  );
  return new Map([...found].map(([id, { current }]) => [id, current.label]));
}

/** The payment as it can be learnt from; `undefined` where its features or what it was are not known. */
function pastPayment(transaction: Transaction, label: LabelValue | undefined): PastPayment | undefined {
  if (transaction.assessment === null || (label === undefined && transaction.status !== "posted")) return undefined;
  const { factors, verdict } = assessmentFromItem(transaction.assessment);
  if (verdict === undefined || verdict.featuresVersion !== FEATURES_VERSION) return undefined;
  const vector = vectorOf(verdict.features);
  if (vector === undefined) return undefined;
  return {
    vector,
    fraud: label === "fraud",
    at: transaction.createdAt,
    payer: transaction.fromAccountId,
    factors: weigh(factors) / ONE,
  };
}

/** Features that were declared otherwise, under a version that nobody raised, have no vector here. */
function vectorOf(text: string): Float64Array | undefined {
  try {
    return decodeFeatures(text, FEATURES.length);
  } catch (error) {
    if (error instanceof InvariantError) return undefined;
    throw error;
  }
}
