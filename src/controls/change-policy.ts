import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { ControlDeps } from "./deps.ts";
import type { ControlFields, ControlPolicy } from "./policy.ts";
import {
  controlPolicies,
  controlPolicyKey,
  controlPolicyTag,
  DEFAULT_EXPIRY_HOURS,
  defaultControlPolicy,
  loosened,
  presentControlPolicy,
  readControls,
} from "./policy.ts";

export interface ControlPolicyBody {
  readonly controls: readonly (Omit<ControlFields, "above_amount"> & { readonly above_amount?: ControlFields["above_amount"] })[];
  readonly expiry_hours?: number;
}

export type PolicyDeps = Pick<ControlDeps, "store" | "queue" | "ids" | "people" | "operations">;

/** The kinds of operations and what each needs, from the operations that are of it. */
export function kindsOf(operations: ControlDeps["operations"]): ReadonlyMap<string, { scope: Scope; amounts: boolean }> {
  const kinds = new Map<string, { scope: Scope; amounts: boolean }>();
  for (const { kind, scope, amounts = false } of operations.values()) kinds.set(kind, { scope, amounts });
  return kinds;
}

type Terms = Pick<ControlPolicy, "controls" | "expiryHours">;

/** Checks what a schema cannot. `param` names the place in the body. */
export function readPolicyBody(operations: ControlDeps["operations"], body: ControlPolicyBody): ({ readonly ok: true } & Terms) | Refusal {
  const kinds = kindsOf(operations);
  const seen = new Set<string>();
  for (const [n, { kind, above_amount: above }] of body.controls.entries()) {
    if (seen.has(kind)) return refuse("invalid_request", `controls.${n}.kind`, "Each kind once.");
    seen.add(kind);
    if (above === undefined || above === null) continue;
    if (kinds.get(kind)?.amounts !== true) return refuse("invalid_request", `controls.${n}.above_amount`, "This kind knows no amounts.");
    if (new Set(above.map(({ currency }) => currency)).size !== above.length)
      return refuse("invalid_request", `controls.${n}.above_amount`, "Each currency once.");
  }
  const controls = readControls(body.controls.map((one) => ({ ...one, above_amount: one.above_amount ?? null })));
  return { ok: true, controls, expiryHours: body.expiry_hours ?? DEFAULT_EXPIRY_HOURS };
}

/**
 * Refuses a control that nobody could satisfy: of the persons who may approve operations of the kind there must be one more than the
 * approvals it needs, because the maker is none of them. Otherwise the organisation would be locked in, this policy included.
 */
async function refuseLockIn(
  deps: PolicyDeps,
  organisationId: OrganisationId,
  before: ControlPolicy,
  after: Terms,
): Promise<Refusal | undefined> {
  const kinds = kindsOf(deps.operations);
  const raised = [...after.controls].filter(([kind, { approvals }]) => approvals > (before.controls.get(kind)?.approvals ?? 0));
  if (raised.length === 0) return undefined;
  const people = await deps.people(organisationId);
  for (const [kind, { approvals }] of raised) {
    for (const scope of new Set([kinds.get(kind)?.scope, kinds.get("control_policy")?.scope])) {
      const able = people.filter(({ scopes }) => scopes.has("approvals:write") && (scope === undefined || scopes.has(scope)));
      if (able.length <= approvals)
        return refuse(
          "too_few_approvers",
          "controls",
          `${kind} would need ${approvals + 1} persons with approvals:write and ${scope ?? kind}; there are ${able.length}.`,
        );
    }
  }
  return undefined;
}

/**
 * PUT /v1/control-policy: all controls; what is left out is off. What loosens the policy holds only once it is approved.
 * @param approvals how many persons have approved it; 0 where it was not asked for
 */
export async function changeControlPolicy(
  deps: PolicyDeps,
  asked: Asked,
  body: ControlPolicyBody,
  ifVersion: number | undefined,
  approvals: number,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const read = readPolicyBody(deps.operations, body);
  const answered = (refusal: Refusal): Executed => refuseAtOnce(refusal, requestId);
  if (!read.ok) return answered(read);
  const item = await deps.store.get(controlPolicies.table, controlPolicyKey(organisationId));
  const seen = item === undefined ? defaultControlPolicy(organisationId) : controlPolicies.fromItem(item);
  const lockIn = await refuseLockIn(deps, organisationId, seen, read);
  if (lockIn !== undefined) return answered(lockIn);
  const eventId = deps.ids.next("event");
  const key = controlPolicyKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [{ collection: controlPolicies, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(controlPolicies, key) ?? defaultControlPolicy(organisationId);
      if (ifVersion !== undefined && ifVersion !== controlPolicyTag(before))
        return refused(refuse("version_conflict", undefined, `The current version is ${controlPolicyTag(before)}.`), requestId);
      // Somebody else was quicker than the reads above: what was judged was another policy.
      if (approvals === 0 && before.version !== seen.version) return refused(refuse("contention"), requestId);
      // The policy may have become tighter since this was asked for: what it asks for now holds.
      if (Math.max(0, ...loosened(before, read).values()) > approvals)
        return refused(refuse(approvals === 0 ? "contention" : "second_person_required"), requestId);
      const after: ControlPolicy = { ...before, ...terms(read), updatedAt: at, version: before.version + 1 };
      work.put(controlPolicies, after);
      const told = ({ controls, expiry_hours }: ReturnType<typeof presentControlPolicy>) => ({ controls, expiry_hours });
      work.tell({
        id: eventId,
        type: "control_policy.updated",
        objectId: organisationId,
        details: { before: told(presentControlPolicy(before)), after: told(presentControlPolicy(after)) },
      });
      return work.outcome(replied(200, presentControlPolicy(after)));
    },
  });
}

const terms = ({ controls, expiryHours }: Terms): Terms => ({ controls, expiryHours });
