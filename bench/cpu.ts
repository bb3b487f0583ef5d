import { readFileSync } from "node:fs";

/** CPU seconds used so far. */
export interface CpuUse {
  /** Of one process, all its threads together. */
  readonly process: number;
  /** Of the whole machine, all processes, the kernel included. */
  readonly machine: number;
}

/** Ticks a second: fixed at 100 for what Linux shows to programs. */
const TICKS = 100;
/** Positions after the command's name in /proc/<pid>/stat (proc(5)): utime and stime. */
const [UTIME, STIME] = [11, 12] as const;

function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[UTIME]) + Number(fields[STIME]);
}

/** CPU use as Linux counts it; undefined on systems without /proc. */
export function readCpu(pid: number): CpuUse | undefined {
  try {
    const [user, nice, system, , , irq, softirq] =
      readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
    const busy = (user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0);
    return { process: ticksOf(readFileSync(`/proc/${pid}/stat`, "utf8")) / TICKS, machine: busy / TICKS };
  } catch {
    return undefined;
  }
}
