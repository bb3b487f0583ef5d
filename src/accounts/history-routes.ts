import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import {
  described,
  idField,
  listOf,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendObject,
  sendRefusal,
  timeParameter,
} from "#http/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { minorToWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import { balanceAt, decodePositions, encodePositions, listByAccounts, readAccount } from "#ledger/index.ts";
import type { AccountDeps } from "./deps.ts";

/** How far a time may be ahead of this node's clock and still mean now, ms. */
const CLOCKS_APART_MS = 60_000;

/** Routes of what an account's balance was and what it came to be by. */
export function historyRoutes(app: HttpServer, deps: AccountDeps): void {
  const tags = ["Accounts"];
  const params = Type.Object({ id: idField("account") });

  app.get(
    "/v1/accounts/:id/balance",
    {
      config: { access: "key", scope: "accounts:read", problems: ["not_found"] },
      schema: {
        operationId: "getBalance",
        tags,
        summary: "Get the balance, now or at a time",
        description:
          "The balance is the sum of the entries posted until then, so the past does not change. A time to come is refused; one up to a minute " +
          "ahead is taken for now, as `at` says: clocks differ.",
        params,
        querystring: Type.Object(
          { at: described(timeParameter, "The time to tell the balance of, RFC 3339; now when absent.") },
          { additionalProperties: false },
        ),
        response: { 200: ref("Balance") },
      },
    },
    async (request, reply) => {
      const account = await readAccount(deps.store, request.caller.principal.organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const asked = readTimes({ at: request.query.at });
      if (!asked.ok) return sendRefusal(reply, asked);
      // What is posted already is no time to come, though it was posted by a clock that is ahead of ours, or by ours before it was set back.
      const latest = Math.max(deps.clock.now(), account.chain.at);
      const { at = latest } = asked.times;
      if (at > latest + CLOCKS_APART_MS)
        return sendRefusal(reply, refuse("invalid_request", "at", "It is a time to come: what the balance will be is not known."));
      const balance = asked.times.at === undefined ? account.balance : await balanceAt(deps.store, account, at);
      return sendObject(reply, {
        object: "balance",
        account_id: account.id,
        currency: account.currency,
        balance: minorToWire(balance),
        // The clock of the client, or of the node that told the client the time, may be ahead of ours.
        at: toTimestamp(Math.min(at, latest)),
      });
    },
  );

  app.get(
    "/v1/accounts/:id/entries",
    {
      config: { access: "key", scope: "accounts:read", cost: 2, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listEntries",
        tags,
        summary: "List an account's entries, newest first",
        description: "Numbered without a gap, each with the balance after it.",
        params,
        querystring: Type.Object(
          {
            ...pageParameters,
            posted_from: described(timeParameter, "Only those posted at this time or later, RFC 3339."),
            posted_to: described(timeParameter, "Only those posted at this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Entry") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { organisationId } = request.caller.principal;
      const account = await readAccount(deps.store, organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const { posted_from, posted_to } = request.query;
      const asked = readTimes({ posted_from, posted_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { posted_from: from, posted_to: to } = asked.times;
      const positions = cursor === undefined ? undefined : decodePositions(cursor);
      if (cursor !== undefined && positions === undefined) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const page = await listByAccounts(deps.store, {
        organisationId,
        accounts: [account],
        from,
        to,
        positions,
        limit,
        keep: ({ leg }) => leg.entry !== null,
      });
      if (!page.valid) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const entries = page.steps.map(({ leg, transaction }) => ({
        object: "entry",
        account_id: account.id,
        number: leg.entry?.number ?? 0,
        transaction_id: transaction.id,
        amount: minorToWire(leg.entry?.amount ?? 0n),
        balance_after: minorToWire(leg.balanceAfter),
        posted_at: toTimestamp(leg.at),
      }));
      return sendObject(reply, listOf(entries, page.next === undefined ? undefined : encodePositions(page.next)));
    },
  );
}
