// What `npm start` runs. The static import is evaluated first, so an old Node ends there with one clear line.
import "./node-version.mjs";

await import("../src/main.ts");
