import { readFileSync } from "node:fs";

/** The parts of a V8 CPU profile (`node --cpu-prof`) that are read here. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** What one place of the code took of the whole time. */
export interface Cost {
  readonly name: string;
  readonly selfMs: number;
  /** With all that it called. */
  readonly totalMs: number;
}

export interface ProfileSummary {
  readonly totalMs: number;
  readonly idleMs: number;
  readonly byModule: readonly Cost[];
  readonly byFunction: readonly Cost[];
}

const IDLE = "(idle)";

/** `src/commit/queue.ts`, `fastify`, `node:net`, or what V8 calls its own. */
function moduleOf(url: string, functionName: string): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "native";
  const own = /\/((?:src|bench|bin)\/.*)$/.exec(url)?.[1];
  const dependency = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  return dependency ?? own ?? url;
}

/** Sums a profile by module and by function, dearest first. */
export function summarise(profile: CpuProfile): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const self = new Map<number, number>();
  profile.samples.forEach((id, n) => self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[n] ?? 0) / 1000));

  const parents = new Map<number, number>();
  for (const { id, children } of profile.nodes) for (const child of children ?? []) parents.set(child, id);
  const modules = new Map<string, { selfMs: number; totalMs: number }>();
  const functions = new Map<string, { selfMs: number; totalMs: number }>();
  const namesOf = (id: number): readonly [string, string] => {
    const frame = nodes.get(id)?.callFrame;
    if (frame === undefined) return ["?", "?"];
    const module = moduleOf(frame.url, frame.functionName);
    const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
    return [module, frame.url === "" ? name : `${name} ${module}:${frame.lineNumber + 1}`];
  };
  const book = (costs: Map<string, { selfMs: number; totalMs: number }>, name: string, selfMs: number, totalMs: number): void => {
    const cost = costs.get(name) ?? { selfMs: 0, totalMs: 0 };
    cost.selfMs += selfMs;
    cost.totalMs += totalMs;
    costs.set(name, cost);
  };

  let totalMs = 0;
  let idleMs = 0;
  for (const [id, ms] of self) {
    totalMs += ms;
    const [module, name] = namesOf(id);
    if (name === IDLE) {
      idleMs += ms;
      continue;
    }
    book(modules, module, ms, 0);
    book(functions, name, ms, 0);
    // Each name once per stack, however often it calls itself.
    const above = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) for (const part of namesOf(at)) above.add(part);
    for (const part of above) {
      if (modules.has(part)) book(modules, part, 0, ms);
      else book(functions, part, 0, ms);
    }
  }
  const sorted = (costs: Map<string, { selfMs: number; totalMs: number }>): Cost[] =>
    [...costs].map(([name, cost]) => ({ name, ...cost })).sort((a, b) => b.selfMs - a.selfMs);
  return { totalMs, idleMs, byModule: sorted(modules), byFunction: sorted(functions) };
}

/** The summary as text: the dearest by self time, in percent of the time the thread was busy. */
export function describeProfile({ totalMs, idleMs, byModule, byFunction }: ProfileSummary, rows: number): string {
  const busy = Math.max(totalMs - idleMs, 0.001);
  const line = ({ name, selfMs, totalMs: total }: Cost): string =>
    `${((100 * selfMs) / busy).toFixed(1).padStart(6)} %${((100 * total) / busy).toFixed(1).padStart(7)} %  ${name}`;
  const part = (title: string, costs: readonly Cost[]): string =>
    [`    self    total  ${title}`, ...costs.slice(0, rows).map(line)].join("\n");
  return (
    `busy ${(busy / 1000).toFixed(1)} s of ${(totalMs / 1000).toFixed(1)} s\n` +
    `${part("module", byModule)}\n${part("function", byFunction)}\n`
  );
}

/** Reads a `.cpuprofile` file and describes it. */
export function describeProfileFile(path: string, rows = 30): string {
  return describeProfile(summarise(JSON.parse(readFileSync(path, "utf8")) as CpuProfile), rows);
}
