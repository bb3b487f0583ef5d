import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { idField, ref, sendObject, sendRefusal } from "#http/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import { refuse } from "#kernel/problems.ts";
import { readTransaction } from "#ledger/index.ts";
import { openMetadata } from "#vault/index.ts";
import type { ControlDeps } from "./deps.ts";
import { presentJournal } from "./journal.ts";
import { journalBody, journalReversalBody, journalSchema } from "./schema.ts";

const tags = ["Journals"];
const params = Type.Object({ id: idField("transaction", "The journal.") });

/** The gate answers every one of these requests: a journal is only ever posted by its approval. */
const never = (): never => {
  throw new InvariantError("a journal got past the controls");
};

/** Routes of manual journals. */
export function journalRoutes(app: HttpServer, deps: ControlDeps): void {
  app.addSchema(journalSchema);

  app.post(
    "/v1/journals",
    {
      config: {
        access: "key",
        scope: "journals:write",
        idempotent: true,
        sensitive: true,
        problems: ["journal_unbalanced", "same_account", "account_not_found", "currency_mismatch", "account_closed"],
      },
      schema: {
        operationId: "createJournal",
        tags,
        summary: "Ask for a manual journal",
        description:
          "Entries to 2 to 10 accounts of one currency, posted together once a second person has approved them, whatever the control " +
          "policy says. All accounts are judged again then.",
        body: journalBody,
        response: { 202: ref("Approval") },
      },
    },
    never,
  );

  app.post(
    "/v1/journals/:id/reversals",
    {
      config: {
        access: "key",
        scope: "journals:write",
        idempotent: true,
        sensitive: true,
        problems: ["not_found", "transaction_not_reversible"],
      },
      schema: {
        operationId: "reverseJournal",
        tags,
        summary: "Ask for the reversal of a journal",
        description: "The same entries the other way round, wholly and once; needs approval like the journal itself.",
        params,
        body: journalReversalBody,
        response: { 202: ref("Approval") },
      },
    },
    never,
  );

  app.get(
    "/v1/journals/:id",
    {
      config: { access: "key", scope: "transactions:read", problems: ["not_found"] },
      schema: {
        operationId: "getJournal",
        tags,
        summary: "Get a journal",
        description: "With all its entries, why it was posted, and the approval that let it pass.",
        params,
        response: { 200: ref("Journal") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const found = await readTransaction(deps.store, organisationId, request.params.id);
      if (found?.type !== "journal") return sendRefusal(reply, refuse("not_found"));
      const kept = await openMetadata(deps.vault, organisationId, "smartfinance-transactions", found.id, found.metadata);
      return sendObject(reply, presentJournal(found, kept));
    },
  );
}
