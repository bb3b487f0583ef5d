// What `npm run audit:witness` runs. The static import is evaluated first, so an old Node ends there with one clear line.
import "./node-version.mjs";

await import("../src/audit-witness.ts");
