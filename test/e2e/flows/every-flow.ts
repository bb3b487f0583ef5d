import { accessFlows } from "./access.ts";
import { holdFlows } from "./holds.ts";
import { listFlows } from "./lists.ts";
import { reviewFlows } from "./reviews.ts";
import type { Stage } from "./stage.ts";
import { transferFlows } from "./transfers.ts";

/** The flows that every store has to pass, word for word. */
export function everyFlow(stage: Stage): void {
  transferFlows(stage);
  holdFlows(stage);
  reviewFlows(stage);
  listFlows(stage);
  accessFlows(stage);
}
