interface Entry {
  readonly method: string;
  readonly path: RegExp;
}

/** Knows which methods a path has: Fastify's router answers that only for patterns. Asked when nothing matched. */
export interface RouteIndex {
  add(method: string, pattern: string): void;
  /** The methods of what a request names as its target, sorted; empty when no route has it. */
  methodsOf(target: string): readonly string[];
}

export function createRouteIndex(): RouteIndex {
  const entries: Entry[] = [];
  return {
    add(method, pattern) {
      entries.push({ method, path: toRegExp(pattern) });
    },
    methodsOf(target) {
      const path = pathOf(target);
      const methods = new Set<string>();
      for (const entry of entries) if (target === ALL || entry.path.test(path)) methods.add(entry.method);
      return [...methods].sort();
    },
  };
}

/** The target of an `OPTIONS` that asks about the server as a whole (RFC 9110 section 9.3.7). */
const ALL = "*";

/** The path in a target, as the router reads it: without origin (RFC 9112 section 3.2.2), query and fragment, unescaped but for what divides. */
function pathOf(target: string): string {
  const [path = ""] = target.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1);
  try {
    return decodeURI(path === "" ? "/" : path);
  } catch {
    return path;
  }
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
