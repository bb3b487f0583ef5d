import { accessFlows } from "./access-flows.ts";
import { holdFlows } from "./holds-flows.ts";
import { listFlows } from "./lists-flows.ts";
import { reviewQueueFlows } from "./review-queue-flows.ts";
import { reviewFlows } from "./reviews-flows.ts";
import type { Stage } from "./stage.ts";
import { transferFlows } from "./transfers-flows.ts";
import { userFlows } from "./users-flows.ts";

/** The flows that every store has to pass, word for word. */
export function everyFlow(stage: Stage): void {
  transferFlows(stage);
  holdFlows(stage);
  reviewFlows(stage);
  reviewQueueFlows(stage);
  listFlows(stage);
  accessFlows(stage);
  userFlows(stage);
}
