import type { Actor } from "#audit/index.ts";
import { normaliseEmail } from "#identity/index.ts";
import type { OperatorId } from "#kernel/ids.ts";
import type { RoleName } from "#kernel/roles.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import type { InvitationAsked, InvitingDeps } from "./invite-operator.ts";
import { inviteAgain, inviteOperator } from "./invite-operator.ts";
import { emailClaims, emailKey, operators, OPERATORS_TABLE } from "./operator.ts";
import { emailIndexOf } from "./profile.ts";

/** What a refusal's body says. */
interface Problem {
  readonly code: string;
  readonly detail?: string;
}

interface Invited {
  readonly id: OperatorId;
  readonly roles: readonly RoleName[];
  readonly invitation: { readonly token: string; readonly expires_at: string };
}

/**
 * Invites somebody for whoever has the store itself: the first operator of an organisation, or when none can sign in any more. Who has
 * the address already, and is not disabled, is invited again; his roles and second factors stay as they are.
 * @param actor the installation, in the organisation's name; see `installer`
 */
export async function inviteFromStore(
  deps: InvitingDeps,
  actor: Actor,
  asked: InvitationAsked,
): Promise<
  | {
      readonly ok: true;
      readonly operatorId: OperatorId;
      readonly roles: readonly RoleName[];
      readonly token: string;
      readonly expiresAt: string;
    }
  | { readonly ok: false; readonly why: string }
> {
  const by = { personId: null, scopes: new Set(ALL_SCOPES) };
  const holder = await holderOf(deps, actor, asked.email);
  const asking = { actor, idempotency: undefined };
  const executed = holder === undefined ? await inviteOperator(deps, asking, by, asked) : await inviteAgain(deps, asking, by, holder);
  if (!executed.ok) return { ok: false, why: executed.code };
  if (executed.reply.status >= 300) {
    const { code, detail } = JSON.parse(executed.reply.body) as Problem;
    return { ok: false, why: detail === undefined ? code : `${code} (${detail})` };
  }
  const { id, roles, invitation } = JSON.parse(executed.reply.body) as Invited;
  return { ok: true, operatorId: id, roles, token: invitation.token, expiresAt: invitation.expires_at };
}

async function holderOf(deps: InvitingDeps, { organisationId }: Actor, email: string): Promise<OperatorId | undefined> {
  const normalised = normaliseEmail(email);
  if (normalised === undefined) return undefined;
  const key = emailKey(organisationId, await emailIndexOf(deps.vault, organisationId, normalised));
  const claim = await deps.store.get(OPERATORS_TABLE, key);
  if (claim === undefined) return undefined;
  const { operatorId } = emailClaims.fromItem(claim);
  const item = await deps.store.get(OPERATORS_TABLE, { hash: operatorId });
  return item === undefined || operators.fromItem(item).status === "disabled" ? undefined : operatorId;
}
