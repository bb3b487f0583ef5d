interface Entry {
  readonly method: string;
  readonly path: RegExp;
}

/** Knows which methods a path has: Fastify's router answers that only for patterns. Asked when nothing matched. */
export interface RouteIndex {
  add(method: string, pattern: string): void;
  /** The methods of `path` (without query), sorted; empty when no route has it. */
  methodsOf(path: string): readonly string[];
}

export function createRouteIndex(): RouteIndex {
  const entries: Entry[] = [];
  return {
    add(method, pattern) {
      entries.push({ method, path: toRegExp(pattern) });
    },
    methodsOf(path) {
      const methods = new Set<string>();
      for (const entry of entries) if (entry.path.test(path)) methods.add(entry.method);
      return [...methods].sort();
    },
  };
}

/** `:name` is one segment and `*` the rest. No pattern of these two can backtrack far. */
function toRegExp(pattern: string): RegExp {
  const source = pattern
    .split("/")
    .map((segment) => {
      if (segment === "*") return ".*";
      if (segment.startsWith(":")) return "[^/]+";
      return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("/");
  return new RegExp(`^${source}$`);
}
