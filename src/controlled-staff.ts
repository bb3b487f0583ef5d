import type { AccessDeps, ApiKeyRecord, KeyFields, Principal } from "#access/index.ts";
import { apiKeys, changeKey, createKey, readKey, rotateKey } from "#access/index.ts";
import type { Actor } from "#audit/index.ts";
import { personOf } from "#audit/index.ts";
import type { Executed } from "#commit/index.ts";
import type { ControlledOperation, Execution, Facts, Payload } from "#controls/index.ts";
import { bodyOf, idOf, versionIn } from "#controls/index.ts";
import type { ResetGrounds } from "#factors/index.ts";
import { resetsOf } from "#factors/index.ts";
import type { ApiKeyId, OperatorId, OrganisationId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import type { RoleName } from "#kernel/roles.ts";
import { scopesOfRoles } from "#kernel/roles.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { InvitationAsked, OperatorChange, OperatorDeps, RoleGranter } from "#operators/index.ts";
import {
  changeOperator,
  enableOperator,
  inviteAgain,
  inviteOperator,
  readOperator,
  refuseOperatorReset,
  refuseTogether,
  resetOperatorFactors,
} from "#operators/index.ts";

/** The rooms whose operations give somebody rights. */
export interface StaffRooms {
  readonly access: AccessDeps;
  readonly operators: OperatorDeps;
}

/** A member of a success's answer that is a text, or of an object in it. */
function memberOf(executed: Executed, name: string, inside?: string): string | undefined {
  if (!executed.ok || executed.reply.status >= 300) return undefined;
  const answer = JSON.parse(executed.reply.body) as JsonObject;
  const value = (inside === undefined ? answer : ((answer[inside] ?? {}) as JsonObject))[name];
  return typeof value === "string" ? value : undefined;
}

const grants = (scopes: readonly Scope[]): boolean => scopes.includes("approvals:write");

/** Whether somebody with these scopes has a part in what two persons do. */
type TakesPart = (scopes: Iterable<Scope>) => boolean;

const KEYS = { kind: "api_key", scope: "api_keys:write" } as const;
const OPERATORS = { kind: "operator", scope: "operators:write" } as const;

/**
 * What gives somebody rights: API keys and operators.
 * @param others the scopes of all other operations that can be controlled. Whoever has one of them can ask for something: to whom
 * the secret of such a key is shown could approve what he asks for through it
 */
export function staffOperations(rooms: () => StaffRooms, others: readonly Scope[]): readonly ControlledOperation[] {
  const parts = new Set<Scope>(["approvals:write", KEYS.scope, OPERATORS.scope, ...others]);
  const takesPart: TakesPart = (scopes) => [...scopes].some((scope) => parts.has(scope));
  return [...keyOperations(rooms, takesPart), ...operatorOperations(rooms, takesPart)];
}

function keyOperations(rooms: () => StaffRooms, takesPart: TakesPart): readonly ControlledOperation[] {
  const kind = KEYS;
  /** What a change gives to a key that it has not. */
  const widened = (payload: Payload, key: ApiKeyRecord | undefined, { personId }: Pick<Actor, "personId">): Facts | undefined => {
    if (key === undefined) return undefined;
    const { scopes, ...other } = bodyOf<KeyFields>(payload);
    const added = (scopes ?? []).filter((scope) => !key.scopes.includes(scope));
    // A name gives nothing, and neither do fewer scopes; what else may widen a key is not told apart.
    const widens = added.length > 0 || Object.keys(other).some((field) => field !== "name");
    const own = key.ownerOperatorId !== undefined && key.ownerOperatorId === personId;
    return widens ? { makesApprover: grants(added) || (!own && takesPart(added)) } : undefined;
  };
  return [
    {
      ...kind,
      operationId: "createApiKey",
      facts(payload, _organisationId, _policy, { personId }) {
        const { scopes } = bodyOf<KeyFields>(payload);
        // Without scopes of its own it is given all that its maker has. What an operator makes is himself, so that it asks as he does.
        return { makesApprover: scopes === undefined || grants(scopes) || (!isId("operator", personId) && takesPart(scopes)) };
      },
      execute: (payload, { asked, queue, standing }) =>
        createKey(
          { ...rooms().access, queue },
          asked,
          standing.principal as Principal,
          bodyOf<KeyFields & { readonly name: string }>(payload),
        ),
      async claim(id, { asked, queue, standing }) {
        const by = standing.principal as Principal;
        // Nobody had its secret. If it was changed since, it may be somebody's, or may do more than was approved.
        const executed = await rotateKey({ ...rooms().access, queue }, asked, by, id as ApiKeyId, 0, ({ version }) =>
          version === 1 ? undefined : refuse("nothing_to_claim", undefined, "The key has been changed since."),
        );
        return { executed, secret: memberOf(executed, "secret") };
      },
    },
    {
      ...kind,
      operationId: "updateApiKey",
      facts: async (payload, organisationId, _policy, actor) =>
        widened(payload, await readKey(rooms().access.store, organisationId, idOf<ApiKeyId>(payload)), actor),
      factsIn: (payload, view, actor) => widened(payload, view.get(apiKeys, { hash: idOf<ApiKeyId>(payload) }), actor),
      execute: (payload, { asked, queue, standing }) =>
        changeKey(
          { ...rooms().access, queue },
          asked,
          standing.principal as Principal,
          idOf<ApiKeyId>(payload),
          bodyOf<KeyFields>(payload),
          versionIn(payload),
        ),
    },
    {
      ...kind,
      operationId: "rotateApiKey",
      async facts(payload, organisationId, policy, asked) {
        const key = await readKey(rooms().access.store, organisationId, idOf<ApiKeyId>(payload));
        const own = key !== undefined && (key.id === asked.apiKeyId || (key.ownerOperatorId ?? key.id) === asked.personId);
        if (key === undefined || own || policy.controls.size === 0 || !takesPart(key.scopes)) return undefined;
        // The new secret would be shown to the caller, who would then be that other person.
        return refuse(
          "second_person_required",
          undefined,
          "The key can approve, or ask for what is approved; only whom it belongs to can rotate it. Revoke it and ask for another.",
        );
      },
      execute: () => Promise.reject(new TypeError("a rotation is never submitted")),
    },
  ];
}

function operatorOperations(rooms: () => StaffRooms, takesPart: TakesPart): readonly ControlledOperation[] {
  const kind = OPERATORS;
  const granter = ({ asked, standing }: Execution): RoleGranter => ({ personId: personOf(asked.actor), scopes: standing.scopes });
  const approves = (roles: readonly RoleName[]): boolean => takesPart(scopesOfRoles(roles));
  const now = (): number => rooms().operators.clock.now();
  /** Invites the operator again, because the token of before was shown to nobody; not when he has come by another one meanwhile. */
  const claim: ControlledOperation["claim"] = async (id, execution, claimOf) => {
    const deps = { ...rooms().operators, queue: execution.queue };
    const { approvalId } = execution;
    const executed = await inviteAgain(deps, execution.asked, granter(execution), id as OperatorId, { approvalId, claimOf });
    return { executed, secret: memberOf(executed, "token", "invitation") };
  };
  const aboutOperator = async (payload: Payload, organisationId: OrganisationId) => {
    const operator = await readOperator(rooms().operators.store, organisationId, idOf<OperatorId>(payload));
    return operator && { makesApprover: approves(operator.roles) };
  };
  return [
    {
      ...kind,
      operationId: "inviteOperator",
      facts(payload) {
        const { roles, exception } = bodyOf<InvitationAsked>(payload);
        return refuseTogether(roles, exception, now()) ?? { makesApprover: approves(roles) };
      },
      execute: (payload, execution) =>
        inviteOperator(
          { ...rooms().operators, queue: execution.queue },
          execution.asked,
          granter(execution),
          bodyOf<InvitationAsked>(payload),
          execution.approvalId,
        ),
      claim,
    },
    {
      ...kind,
      // Whoever has the token chooses the password of somebody who is there already.
      operationId: "inviteOperatorAgain",
      facts: aboutOperator,
      execute: (payload, execution) =>
        inviteAgain({ ...rooms().operators, queue: execution.queue }, execution.asked, granter(execution), idOf<OperatorId>(payload), {
          approvalId: execution.approvalId,
        }),
      claim,
    },
    {
      ...kind,
      operationId: "updateOperator",
      async facts(payload, organisationId) {
        const { roles, exception } = bodyOf<OperatorChange>(payload);
        if (roles === undefined && exception === undefined) return undefined;
        const held = roles ?? (await readOperator(rooms().operators.store, organisationId, idOf<OperatorId>(payload)))?.roles;
        if (held === undefined) return undefined;
        return refuseTogether(held, exception, now()) ?? { makesApprover: approves(roles ?? []) || exception !== undefined };
      },
      execute: (payload, execution) =>
        changeOperator(
          { ...rooms().operators, queue: execution.queue },
          execution.asked,
          granter(execution),
          idOf<OperatorId>(payload),
          bodyOf<OperatorChange>(payload),
          versionIn(payload),
        ),
    },
    {
      ...kind,
      // With the invitation that follows it makes whoever has that the operator.
      operationId: "resetOperatorFactors",
      always: true,
      facts: async (payload, _organisationId, _policy, actor) =>
        (await refuseOperatorReset(rooms().operators, actor, idOf<OperatorId>(payload))) ?? {},
      countOf: (payload, organisationId) =>
        resetsOf(rooms().operators.store, { organisationId, kind: "operator", id: idOf<OperatorId>(payload) }),
      execute: (payload, execution) =>
        resetOperatorFactors(
          { ...rooms().operators, queue: execution.queue },
          execution.asked,
          granter(execution),
          idOf<OperatorId>(payload),
          {
            ...bodyOf<ResetGrounds>(payload),
            requested: { at: execution.requestedAt, resets: execution.requestedCount },
          },
        ),
    },
    {
      ...kind,
      operationId: "enableOperator",
      facts: aboutOperator,
      execute: (payload, execution) =>
        enableOperator({ ...rooms().operators, queue: execution.queue }, execution.asked, granter(execution), idOf<OperatorId>(payload)),
    },
  ];
}
