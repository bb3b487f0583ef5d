import { describe } from "node:test";
import { everyAttack } from "./dos-flows.ts";

describe("attacks on SQLite", () => everyAttack({ store: "sqlite" }));
