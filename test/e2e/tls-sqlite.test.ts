import { describe } from "node:test";
import { everyTlsFlow } from "./tls-flows.ts";

describe("TLS on SQLite", () => everyTlsFlow({ store: "sqlite" }));
