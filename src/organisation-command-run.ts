import { apiKeys, issueApiKey } from "#access/index.ts";
import { workOn } from "#commit/index.ts";
import { organisations, settingsOf } from "#identity/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { AuditTree } from "#log/index.ts";
import { inviteFromStore } from "#operators/index.ts";
import type { BootstrapDeps } from "./bootstrap.ts";
import { createOrganisation, installer } from "./bootstrap.ts";
import type { InvitationCommand, KeyAsked, OperatorCommand } from "./organisation-command.ts";
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
  deps: BootstrapDeps & { readonly log: Pick<AuditTree, "rotateKey"> },
  command: Exclude<OperatorCommand, { readonly kind: "help" }>,
  environment: "test" | "live",
): Promise<CommandResult> {
  switch (command.kind) {
    case "create-organisation": {
      const { admin, ...asked } = command.asked;
      const made = await createOrganisation(deps, asked);
      const first = { organisationId: made.organisationId, name: "Administrator", roles: ["admin"] } as const;
      const text = shown(made.organisationId, made.apiKey);
      const warning = scopesWarning(command.asked.scopes);
      if (admin === undefined) return { text, warning };
      try {
        return { text: text + (await inviteFromOutside(deps, { ...first, email: admin })), warning };
      } catch (error) {
        // The organisation is there by now, and its key is shown here or never.
        const why = error instanceof Error ? error.message : String(error);
        return { text, warning: `${why}; the organisation was made: invite its admin by npm run create-operator-invitation` };
      }
    }
    case "create-api-key": {
      const key = await createApiKey(deps, command.asked, environment);
      return { text: shown(command.asked.organisationId, key), warning: scopesWarning(command.asked.scopes) };
    }
    case "create-operator-invitation":
      return { text: await inviteFromOutside(deps, command.asked) };
    case "reset-allow-list":
      await resetAllowlist(deps, command.organisationId);
      return {
        text: `the allow-list of ${command.organisationId} is empty: calls may come from anywhere, within 5 seconds on running nodes\n`,
      };
    case "rotate-audit-key": {
      const { verifier, before } = await deps.log.rotateKey(command.overlapDays * DAY_MS);
      const until = before.until === undefined ? "signs no more" : `signs next to it until ${toTimestamp(before.until)}`;
      return { text: `audit log key ${verifier.vkey}\nkey before    ${before.verifier.vkey}, ${until}\n` };
    }
    default:
      return command satisfies never;
  }
}

const DAY_MS = 24 * 60 * 60 * 1000;

const shown = (organisation: OrganisationId, key: string): string => `organisation ${organisation}\napi key      ${key}   (shown once)\n`;

/** Invites an operator from outside of the organisation. @returns what is printed */
async function inviteFromOutside(deps: BootstrapDeps, { organisationId, ...asked }: InvitationCommand): Promise<string> {
  if ((await deps.store.get(organisations.table, { hash: organisationId })) === undefined)
    throw new Error(`there is no organisation ${organisationId} in this store`);
  const invited = await inviteFromStore(deps, installer(organisationId), asked);
  if (!invited.ok) throw new Error(`nobody was invited: ${invited.why}`);
  const { operatorId, roles, token, expiresAt } = invited;
  return `operator     ${operatorId}   ${asked.email}, ${roles.join(", ")}
invitation   ${token}   (shown once, good until ${expiresAt})

Whoever it is for accepts it, with the server started and URL set to where it listens. Put in a password of your own, 12
characters or more:

curl -s $URL/v1/operator-invitations/accept -b cookies -c cookies \\
  -H "Origin: $URL" -H 'Content-Type: application/json' \\
  -d '{"token":"${token}","password":"…"}'

Who has no second factor yet enrols one before anything else; this begins it, docs/operators.md ("By curl") goes on:

curl -s -X POST $URL/v1/operators/me/totp -b cookies -c cookies -H "Origin: $URL"

Signing in needs the organisation, too: ${organisationId}.
`;
}

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
