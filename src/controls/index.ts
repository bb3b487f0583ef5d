export { approvals } from "./approval.ts";
export type { Approval, ApprovalStatus } from "./approval.ts";
export { createControls } from "./create-controls.ts";
export type { Controls } from "./create-controls.ts";
export { guardRoutes } from "./gate-routes.ts";
export type { ControlledOperation, Execution, Facts, Payload, PeopleOf, Person, Standing } from "./operation.ts";
export { bodyOf, idOf, OWN_SCOPES, versionIn } from "./own-operations.ts";
export { controlRoutes } from "./routes.ts";
export type { ApprovalWorker } from "./worker.ts";
