export * from "./collection.ts";
export * from "./port.ts";
export * from "./tables.ts";
export * from "./merge-partitions.ts";
export * from "./told.ts";
