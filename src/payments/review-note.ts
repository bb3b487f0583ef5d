import type { OrganisationId, ReviewId, ReviewNoteId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store } from "#storage/index.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";

/** The most notes one review may have. */
export const MAX_NOTES = 100;
/** The most characters of a note. */
export const MAX_NOTE_LENGTH = 1000;

const TABLE = "smartfinance-review-notes";

/** What somebody wrote down about a review. Never changed: only its seal is made anew when keys are rotated. */
export interface ReviewNote {
  readonly id: ReviewNoteId;
  readonly reviewId: ReviewId;
  readonly organisationId: OrganisationId;
  /** Sealed: analysts write about people. */
  readonly text: JsonObject;
  /** The API key that wrote it. */
  readonly author: string | null;
  readonly createdAt: number;
  readonly version: number;
}

export const reviewNotes: Collection<ReviewNote> = {
  table: TABLE,
  keyOf: (note) => ({ hash: note.reviewId, range: note.id }),
  toItem: (note) => ({
    id: note.id,
    review_id: note.reviewId,
    organisation_id: note.organisationId,
    text: note.text,
    author: note.author,
    created_at: note.createdAt,
    version: note.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredNote;
    return {
      id: stored.id,
      reviewId: stored.review_id,
      organisationId: stored.organisation_id,
      text: stored.text,
      author: stored.author,
      createdAt: stored.created_at,
      version: stored.version,
    };
  },
};

interface StoredNote {
  readonly id: ReviewNoteId;
  readonly review_id: ReviewId;
  readonly organisation_id: OrganisationId;
  readonly text: JsonObject;
  readonly author: string | null;
  readonly created_at: number;
  readonly version: number;
}

const bindingOf = (organisationId: OrganisationId, id: ReviewNoteId) => ({
  organisation_id: organisationId,
  table: TABLE,
  record: id,
  field: "text",
});

/** Seals a note's text for its record. */
export function sealNote(vault: Vault, dataKey: DataKey, id: ReviewNoteId, text: string): JsonObject {
  return { ...vault.seal(dataKey, bindingOf(dataKey.organisationId, id), text) };
}

/** A page of a review's notes, oldest first, opened. Strongly consistent. */
export async function listNotes(
  store: Store,
  vault: Vault,
  organisationId: OrganisationId,
  reviewId: ReviewId,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<{ readonly data: readonly JsonObject[]; readonly cursor: string | undefined }> {
  const { limit, cursor } = page;
  const found = await store.query({
    table: TABLE,
    hash: reviewId,
    order: "ascending",
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  });
  const data = await Promise.all(
    found.items.map(async (item) => {
      const note = reviewNotes.fromItem(item);
      const sealed = note.text as unknown as Sealed;
      const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
      return presentNote(note, vault.open(dataKey, bindingOf(organisationId, note.id), sealed));
    }),
  );
  return { data, cursor: found.cursor };
}

/** The note as the API shows it. */
export function presentNote(note: Pick<ReviewNote, "id" | "reviewId" | "author" | "createdAt">, text: string): JsonObject {
  return {
    id: note.id,
    object: "review_note",
    review_id: note.reviewId,
    text,
    author: note.author,
    created_at: toTimestamp(note.createdAt),
  };
}
