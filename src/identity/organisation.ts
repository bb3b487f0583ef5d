import type { OrganisationId } from "#kernel/ids.ts";
import type { Collection } from "#storage/index.ts";

/** A tenant: everything belongs to exactly one. */
export interface Organisation {
  readonly id: OrganisationId;
  readonly name: string;
  readonly createdAt: number;
  readonly version: number;
}

export const organisations: Collection<Organisation> = {
  table: "smartfinance-organisations",
  keyOf: (organisation) => ({ hash: organisation.id }),
  toItem: (o) => ({ id: o.id, name: o.name, created_at: o.createdAt, version: o.version }),
  fromItem(item) {
    const stored = item as unknown as {
      readonly id: OrganisationId;
      readonly name: string;
      readonly created_at: number;
      readonly version: number;
    };
    return { id: stored.id, name: stored.name, createdAt: stored.created_at, version: stored.version };
  },
};
