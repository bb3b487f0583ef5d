import { posix } from "node:path";
import type { SourceFile } from "./source-text.ts";
import { lineAt, withoutComments } from "./source-text.ts";

/** What a room may import beside itself. Packages may end in `/*`; `node:` modules are free unless `builtins` names them. */
export interface RoomRule {
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
}

export interface HouseRules {
  /** `storage/*` stands for every engine that has no rule of its own. */
  readonly rooms: Readonly<Record<string, RoomRule>>;
  /** Files directly in src that put the house together. They may import every room. */
  readonly composition: readonly string[];
  readonly compositionPackages: readonly string[];
  /** Rooms whose files are all public: no index.ts is asked for. */
  readonly open: readonly string[];
  /** Which files of a room speak HTTP, and what they may import on top of their room's rule. */
  readonly edgeFiles: RegExp;
  readonly edge: RoomRule;
  /** What stands beside the tests in src: held to no arrow, and no product file may import it. */
  readonly testSupport: RegExp;
  /** `node:` modules that only the named rooms may import. */
  readonly builtins: Readonly<Record<string, readonly string[]>>;
}

/** The arrows of the house. A new room needs a line here; an arrow upwards needs an ADR first. */
export const houseRules: HouseRules = {
  rooms: {
    kernel: { rooms: [], packages: ["canonicalize"] },
    storage: { rooms: ["kernel"], packages: [] },
    "storage/*": { rooms: ["kernel", "storage"], packages: [] },
    "storage/dynamodb": { rooms: ["kernel", "storage"], packages: ["@aws-sdk/*"] },
    audit: { rooms: ["kernel", "storage"], packages: [] },
    vault: { rooms: ["kernel", "storage", "audit", "commit"], packages: [] },
    "vault/aws": { rooms: ["kernel", "vault"], packages: ["@aws-sdk/*"] },
    access: { rooms: ["kernel", "storage", "audit", "commit"], packages: ["ipaddr.js"] },
    commit: { rooms: ["kernel", "storage", "audit"], packages: [] },
    outbound: { rooms: ["kernel"], packages: ["ipaddr.js"] },
    log: { rooms: ["kernel", "storage", "audit", "commit", "vault", "outbound"], packages: [] },
    sinks: { rooms: ["kernel", "storage", "audit"], packages: [] },
    "sinks/cloudwatch": { rooms: ["kernel", "sinks"], packages: ["@aws-sdk/*"] },
    "sinks/s3": { rooms: ["kernel", "sinks"], packages: ["@aws-sdk/*"] },
    ledger: { rooms: ["kernel", "storage"], packages: [] },
    risk: { rooms: ["kernel", "storage", "features"], packages: [] },
    features: { rooms: ["kernel"], packages: [] },
    "fraud-simulator": { rooms: ["kernel", "features"], packages: [] },
    rules: { rooms: ["kernel", "storage", "audit", "commit", "ledger", "risk"], packages: ["@marcbachmann/cel-js"] },
    model: { rooms: ["kernel"], packages: [] },
    learning: { rooms: ["kernel", "storage", "audit", "commit", "ledger", "risk", "features", "labels", "model"], packages: [] },
    identity: { rooms: ["kernel", "storage", "commit", "audit", "vault", "ledger", "risk", "access"], packages: [] },
    accounts: { rooms: ["kernel", "storage", "commit", "ledger", "audit", "vault", "identity"], packages: [] },
    controls: { rooms: ["kernel", "storage", "audit", "commit", "vault", "ledger"], packages: [] },
    labels: { rooms: ["kernel", "storage", "commit", "ledger", "audit"], packages: [] },
    authentications: { rooms: ["kernel", "storage", "commit", "ledger", "audit", "vault", "identity", "factors"], packages: [] },
    payments: {
      rooms: [
        "kernel",
        "storage",
        "commit",
        "ledger",
        "features",
        "risk",
        "rules",
        "labels",
        "audit",
        "vault",
        "identity",
        "authentications",
      ],
      packages: [],
    },
    factors: {
      rooms: ["kernel", "storage", "commit", "audit", "vault", "identity"],
      packages: ["@simplewebauthn/server", "otpauth"],
    },
    pages: {
      rooms: ["kernel", "storage", "audit", "commit", "identity", "factors", "authentications"],
      packages: ["@simplewebauthn/browser"],
    },
    operators: {
      rooms: ["kernel", "storage", "commit", "audit", "vault", "access", "identity", "factors"],
      packages: ["cookie"],
    },
    events: { rooms: ["kernel", "storage", "audit", "vault"], packages: [] },
    webhooks: { rooms: ["kernel", "storage", "commit", "audit", "ledger", "vault", "outbound", "events"], packages: [] },
    http: {
      rooms: ["kernel", "storage"],
      packages: ["fastify", "@fastify/*", "@scalar/fastify-api-reference", "typebox", "pino", "ipaddr.js", "cookie"],
    },
  },
  composition: [
    "main.ts",
    "app.ts",
    "app-contract.ts",
    "inventory.ts",
    "reply-box.ts",
    "may-listen.ts",
    "controlled-operations.ts",
    "controlled-staff.ts",
    "people-of.ts",
    "config.ts",
    "bootstrap.ts",
    "organisation-command.ts",
    "organisation-command-run.ts",
    "start-failure.ts",
    "open-kms.ts",
    "open-store.ts",
    "log-output.ts",
    "output-file.ts",
    "audit-verify.ts",
    "told-collections.ts",
    "audit-witness.ts",
    "program-options.ts",
    "remote-getter.ts",
    "fraud-train.ts",
    "open-sealer.ts",
    "open-sinks.ts",
    "sealing-thread.ts",
  ],
  compositionPackages: ["fastify", "pino"],
  open: ["kernel"],
  edgeFiles: /(?:^|[/-])(?:routes|schema)\.ts$/,
  edge: { rooms: ["http"], packages: ["fastify", "typebox", "@fastify/type-provider-typebox"] },
  builtins: { "node:sqlite": ["storage/sqlite"], "node:http": ["http", "outbound"], "node:https": ["http", "outbound"] },
  testSupport: /\.test\.ts$|(?:^|\/)test-kit\.ts$|(?:^|\/)testing\/|^storage\/conformance\//,
};

/** What the check saw: the wrong arrows, one line each, and how many files and imports it read. */
export interface ArrowReport {
  readonly failures: readonly string[];
  readonly files: number;
  readonly imports: number;
}

/** `import`, `export … from`, `import()`, and `new URL(…, import.meta.url)`, by which worker threads are started. */
const IMPORT =
  /\b(?:import|export)\b[^;"'`()]*?\bfrom\s*["']([^"'\n]+)["']|\bimport\s*["']([^"'\n]+)["']|\bimport\s*\(\s*["']([^"'\n]+)["']|\bnew URL\(\s*["']([^"'\n]+\.ts)["']/g;
/** Imports the check could not follow. */
const OPAQUE = /\bimport\s*\(\s*(?!["'])[^)]*\)|\brequire\s*\(|\bcreateRequire\b/g;

/** Paths below src: `ledger/post.ts`. */
interface Import {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
}

/** The room of a path below src, or undefined for files directly in src. Engines are rooms inside storage. */
function roomOf(path: string): string | undefined {
  const [first, second, third] = path.split("/");
  if (second === undefined) return undefined;
  const inside = first === "storage" || (first === "vault" && second === "aws") || (first === "sinks" && second !== "testing");
  const nested = third !== undefined && inside;
  return nested ? `${first}/${second}` : first;
}

function ruleOf(rules: HouseRules, room: string): RoomRule | undefined {
  return Object.hasOwn(rules.rooms, room) ? rules.rooms[room] : rules.rooms[`${posix.dirname(room)}/*`];
}

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

const allows = (packages: readonly string[], name: string): boolean =>
  packages.some((allowed) => (allowed.endsWith("/*") ? name.startsWith(allowed.slice(0, -1)) : allowed === name));

/** Whether `file` of room `to` may be imported from `from`: the index, an open room, or a parent's own files. */
function isPublic(rules: HouseRules, from: string, to: string, file: string): boolean {
  return rules.open.includes(to) || from.startsWith(`${to}/`) || file === `${to}/index.ts`;
}

function checkRoomArrow(rules: HouseRules, { from, specifier }: Import, target: string): string | undefined {
  const room = roomOf(from);
  const to = roomOf(target);
  if (rules.testSupport.test(target)) return `${specifier} is for tests`;
  if (room === undefined) return undefined;
  if (to === undefined) return `${room} imports ${specifier}: only the composition root lives directly in src`;
  if (to === room) return undefined;
  const rule = ruleOf(rules, room);
  const edge = rules.edgeFiles.test(from) && rules.edge.rooms.includes(to);
  if (rule !== undefined && !rule.rooms.includes(to) && !edge) return `${room} must not import ${to} (${specifier})`;
  if (!isPublic(rules, room, to, target)) return `${specifier} reaches into ${to}: import #${to}/index.ts`;
  return undefined;
}

function checkPackageArrow(rules: HouseRules, { from, specifier }: Import): string | undefined {
  const room = roomOf(from);
  if (specifier.startsWith("node:")) {
    const only = rules.builtins[specifier];
    if (room === undefined || only === undefined || only.includes(room)) return undefined;
    return `${room} must not import ${specifier}: only ${only.join(", ")} may`;
  }
  const name = packageOf(specifier);
  const rule = room === undefined ? { packages: rules.compositionPackages } : ruleOf(rules, room);
  if (rule === undefined || allows(rule.packages, name)) return undefined;
  if (room !== undefined && rules.edgeFiles.test(from) && allows(rules.edge.packages, name)) return undefined;
  return `${room ?? "the composition root"} must not import the package ${name}`;
}

/** The path below src that `specifier` names from `from`, or undefined when it is a package or a `node:` module. */
export function resolveInside(from: string, specifier: string): string | undefined {
  if (specifier.startsWith("#")) return specifier.slice(1);
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(from), specifier));
  return undefined;
}

/** One ring of what imports each other, such as `a`, `b`, `a`, or undefined when there is none. */
export function findRing(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const ring = visit(next, [...trail, node]);
      if (ring !== undefined) return ring;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const ring = visit(node, []);
    if (ring !== undefined) return ring;
  }
  return undefined;
}

export function importsOf(from: string, code: string): Import[] {
  return [...code.matchAll(IMPORT)].map((match) => ({
    from,
    line: lineAt(code, match.index),
    specifier: match[1] ?? match[2] ?? match[3] ?? match[4] ?? "",
  }));
}

/** Holds every import of `files` (paths `src/…`; tests and their support are passed over) against `rules`. */
export function checkArrows(files: readonly SourceFile[], rules: HouseRules = houseRules): ArrowReport {
  const failures: string[] = [];
  const graph = new Map<string, Set<string>>();
  let seenFiles = 0;
  let seenImports = 0;
  for (const file of files) {
    const from = file.path.replace(/^src\//, "");
    if (from === file.path || rules.testSupport.test(from)) continue;
    seenFiles += 1;
    const room = roomOf(from);
    if (room === undefined && !rules.composition.includes(from)) failures.push(`${file.path}: belongs into a room`);
    if (room !== undefined && ruleOf(rules, room) === undefined) failures.push(`${file.path}: the room ${room} has no rule`);
    const code = withoutComments(file.text);
    for (const match of code.matchAll(OPAQUE)) failures.push(`${file.path}:${lineAt(code, match.index)}: cannot follow ${match[0]}`);
    for (const found of importsOf(from, code)) {
      seenImports += 1;
      const target = resolveInside(from, found.specifier);
      const failure = target === undefined ? checkPackageArrow(rules, found) : checkRoomArrow(rules, found, target);
      if (failure !== undefined) failures.push(`${file.path}:${found.line}: ${failure}`);
      const to = target === undefined ? undefined : roomOf(target);
      if (room === undefined || to === undefined || to === room) continue;
      graph.set(room, (graph.get(room) ?? new Set()).add(to));
    }
  }
  const ring = findRing(graph);
  if (ring !== undefined) failures.push(`rooms import each other in a ring: ${ring.join(" -> ")}`);
  return { failures, files: seenFiles, imports: seenImports };
}
