// What `npm start` runs. The static imports are evaluated first, so an old Node ends there with one clear line.
import "./node-version.mjs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";

// V8 puts objects of kinds that lived long a few times among the old ones at once, for ever. Under bursts that happens to nearly everything
// a payment is made of, and then each of these, dead by now, keeps alive what it points to until a full collection.
v8.setFlagsFromString("--no-allocation-site-pretenuring");

// Compiled and type-stripped code is kept between starts, which halves the time to the first answer. Where the
// directory cannot be written, Node carries on without.
nodeModule.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/node-compile", import.meta.url)));

await import("../src/main.ts");

// Written now, because a process that is killed does not get to write it at its end.
nodeModule.flushCompileCache();
