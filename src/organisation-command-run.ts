import { apiKeys, issueApiKey } from "#access/index.ts";
import { workOn } from "#commit/index.ts";
import { organisations, settingsOf } from "#identity/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { BootstrapDeps } from "./bootstrap.ts";
import { createOrganisation, installer } from "./bootstrap.ts";
import type { KeyAsked, OperatorCommand } from "./organisation-command.ts";
import { scopesWarning } from "./organisation-command.ts";

/** What a command came to: what is printed, and what to be warned of before. */
export interface CommandResult {
  readonly text: string;
  readonly warning?: string | undefined;
}

/**
 * Runs a command of whoever has the store itself. Everything it changes is told in the audit log of the organisation, with no
 * API key as its actor.
 * @throws Error in one line when there is no such organisation, or the store refuses
 */
export async function runOperatorCommand(
  deps: BootstrapDeps,
  command: Exclude<OperatorCommand, { readonly kind: "help" }>,
  environment: "test" | "live",
): Promise<CommandResult> {
  switch (command.kind) {
    case "create-organisation": {
      const made = await createOrganisation(deps, command.asked);
      return { text: shown(made.organisationId, made.apiKey), warning: scopesWarning(command.asked.scopes) };
    }
    case "create-api-key": {
      const key = await createApiKey(deps, command.asked, environment);
      return { text: shown(command.asked.organisationId, key), warning: scopesWarning(command.asked.scopes) };
    }
    case "reset-allow-list":
      await resetAllowlist(deps, command.organisationId);
      return {
        text: `the allow-list of ${command.organisationId} is empty: calls may come from anywhere, within 5 seconds on running nodes\n`,
      };
    default:
      return command satisfies never;
  }
}

const shown = (organisation: OrganisationId, key: string): string => `organisation ${organisation}\napi key      ${key}   (shown once)\n`;

/** Makes a key for an organisation from outside of it. @returns its text */
async function createApiKey(deps: BootstrapDeps, asked: KeyAsked, environment: "test" | "live"): Promise<string> {
  const { organisationId } = asked;
  const { record, text } = issueApiKey(deps, { ...asked, environment });
  const eventId = deps.ids.next("event");
  await onOrganisation(deps, organisationId, (work) => {
    work.put(apiKeys, record);
    const details = { scopes: record.scopes, rate_limit_per_minute: record.rateLimitPerMinute, by: "operator" };
    work.tell({ id: eventId, type: "api_key.created", objectId: record.id, details });
  });
  return text;
}

async function resetAllowlist(deps: BootstrapDeps, organisationId: OrganisationId): Promise<void> {
  const eventId = deps.ids.next("event");
  await onOrganisation(deps, organisationId, (work) => {
    const organisation = work.get(organisations, { hash: organisationId });
    if (organisation === undefined) return;
    const before = settingsOf(organisation);
    const settings = { ...before, ipAllowlist: [] };
    work.put(organisations, { ...organisation, settings, version: organisation.version + 1 });
    const details = { before: { ip_allowlist: before.ipAllowlist }, after: { ip_allowlist: [] }, by: "operator" };
    work.tell({ id: eventId, type: "organisation.updated", objectId: organisationId, details });
  });
}

async function onOrganisation(
  deps: BootstrapDeps,
  organisationId: OrganisationId,
  change: (work: ReturnType<typeof workOn>) => void,
): Promise<void> {
  const key = { hash: organisationId };
  const executed = await deps.queue.execute({
    actor: installer(organisationId),
    needs: [{ collection: organisations, key, mode: "write" }],
    decide(view) {
      const work = workOn(view);
      if (work.get(organisations, key) === undefined) return { reply: { status: 404, body: "" }, changes: [], events: [] };
      change(work);
      return work.outcome({ status: 200, body: "" });
    },
  });
  if (!executed.ok) throw new Error(`nothing was changed: ${executed.code}`);
  if (executed.reply.status === 404) throw new Error(`there is no organisation ${organisationId} in this store`);
}
