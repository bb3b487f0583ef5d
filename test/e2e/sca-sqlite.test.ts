import { describe } from "node:test";
import { scaEdgeFlows } from "./sca-edge-flows.ts";
import { exemptionFlows } from "./sca-exemption-flows.ts";
import { scaAuthenticationFlows } from "./sca-authentication-flows.ts";
import { scaFlows } from "./sca-flows.ts";
import { stageFor } from "./stage.ts";

describe("strong customer authentication on SQLite", () => {
  const stage = stageFor({ store: "sqlite" });
  scaFlows(stage);
  scaAuthenticationFlows(stage);
  exemptionFlows(stage);
  scaEdgeFlows(stage);
});
