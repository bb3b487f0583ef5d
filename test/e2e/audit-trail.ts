import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

/** More pages than any of these tests leaves events. */
const PAGES_MAX = 100;

/** The checksum of an event, made anew as its description in the OpenAPI document says. */
export function recomputeChecksum(event: ApiObject): string {
  const { checksum: _checksum, id: _id, object: _object, ...members } = event;
  return createHash("sha256")
    .update(canonicalJson(members as unknown as JsonObject))
    .digest("hex");
}

/** The id of the newest event, to look from later. */
export async function newestEvent(api: Client): Promise<string | undefined> {
  return ok(await api.get("/v1/audit/events?limit=1"), 200).data[0]?.id;
}

/** The events after `seen`, oldest first, each with a checksum that holds. */
export async function eventsAfter(api: Client, seen: string | undefined): Promise<ApiObject[]> {
  const found: ApiObject[] = [];
  let cursor = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const list = ok(await api.get(`/v1/audit/events?limit=20${cursor}`), 200);
    for (const event of list.data) {
      if (event.id === seen) return found.reverse();
      assert.equal(event["checksum"], recomputeChecksum(event), `the checksum of ${event.id}`);
      found.push(event);
    }
    if (list.next_cursor === null) {
      assert.equal(seen, undefined, "the event looked from has vanished");
      return found.reverse();
    }
    cursor = `&cursor=${encodeURIComponent(list.next_cursor)}`;
  }
  assert.fail("the list of events has no end");
}
