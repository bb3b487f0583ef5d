// What `npm start` runs. The static imports are evaluated first, so an old Node ends there with one clear line.
import "./node-version.mjs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";

// Compiled and type-stripped code is kept between starts, which halves the time to the first answer. Where the
// directory cannot be written, Node carries on without.
nodeModule.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/node-compile", import.meta.url)));

await import("../src/main.ts");

// Written now, because a process that is killed does not get to write it at its end.
nodeModule.flushCompileCache();
