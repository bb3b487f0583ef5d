import { invariant } from "#kernel/assert.ts";
import type { ControlDeps } from "./deps.ts";
import type { ControlledOperation } from "./operation.ts";
import { ownOperations } from "./own-operations.ts";
import type { ApprovalWorker } from "./worker.ts";
import { createApprovalWorker } from "./worker.ts";

export interface Controls {
  /** For `guardRoutes`, before any route is registered, and for `controlRoutes`. */
  readonly deps: ControlDeps;
  readonly worker: ApprovalWorker;
}

/**
 * The engine for everything that needs a second person.
 * @param operations those of the rooms above; this room adds its own
 * @throws InvariantError when an operation is named twice, or a kind is of two scopes
 */
export function createControls(deps: Omit<ControlDeps, "operations"> & { readonly operations: readonly ControlledOperation[] }): Controls {
  const byId = new Map<string, ControlledOperation>();
  const scopes = new Map<string, string>();
  const own = ownOperations(deps, () => byId);
  for (const operation of [...deps.operations, ...own]) {
    const { operationId, kind, scope } = operation;
    invariant(!byId.has(operationId), `the operation ${operationId} is controlled twice`);
    invariant((scopes.get(kind) ?? scope) === scope, `operations of the kind ${kind} need different scopes`);
    scopes.set(kind, scope);
    byId.set(operationId, operation);
  }
  const all: ControlDeps = { ...deps, operations: byId };
  return { deps: all, worker: createApprovalWorker(all) };
}
