export * from "./collection.ts";
export * from "./port.ts";
export * from "./tables.ts";
