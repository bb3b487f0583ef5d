import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Sealed, Signer } from "#log/index.ts";
import type { Store } from "#storage/index.ts";
import type { Config } from "./config.ts";
import type { FromThread, ThreadData, ToThread } from "./sealing-thread.ts";

/**
 * Sealing on a thread of its own, for the embedded store: reading and hashing twenty thousand events a second would take a
 * third of the thread that answers requests. The thread has a reading connection; its commits are made here, by the one store
 * that owns the file.
 * @returns `undefined` for a store that is reached over the network: there the waiting is not in this process
 */
export function openSealer(config: Config, store: Store): ((signer: Signer) => { step(): Promise<Sealed> }) | undefined {
  if (config.store !== "sqlite") return undefined;
  const file = join(config.dataDir, "smartfinance.db");
  let thread: { readonly worker: Worker; step: PromiseWithResolvers<Sealed> | undefined } | undefined;
  return ({ verifier, privateKey, former = [], retired = [] }) => {
    const start = (): NonNullable<typeof thread> => {
      const workerData: ThreadData = {
        file,
        limits: store.limits,
        name: verifier.name,
        privateKey,
        former: former.map(({ signer, until }) => ({ privateKey: signer.privateKey, until })),
        retired: retired.map(({ vkey }) => vkey),
      };
      const worker = new Worker(new URL("./sealing-thread.ts", import.meta.url), { workerData });
      worker.unref();
      const started: NonNullable<typeof thread> = { worker, step: undefined };
      const end = (settle: (step: PromiseWithResolvers<Sealed>) => void): void => {
        const { step } = started;
        started.step = undefined;
        if (step !== undefined) settle(step);
      };
      const gone = (why: unknown): void => {
        // A thread that ended is replaced with the next step: the state in the store says where to go on.
        if (thread === started) thread = undefined;
        // It may be alive, where it was a commit that failed: it waits for an answer that never comes.
        void worker.terminate().catch(() => undefined);
        end((step) => step.reject(why instanceof Error ? why : new Error("the sealing thread ended")));
      };
      worker.on("error", gone);
      worker.on("exit", gone);
      worker.on("message", (message: FromThread) => {
        if ("sealed" in message) end((step) => step.resolve(message.sealed));
        else if ("failed" in message) end((step) => step.reject(new Error(message.failed)));
        else
          void store.commit(message.writes).then((result) => {
            const cause = "cause" in result ? { cause: String(result.cause) } : {};
            worker.postMessage({ ...result, ...cause } satisfies ToThread);
          }, gone);
      });
      return started;
    };
    return {
      step() {
        thread ??= start();
        const running = thread;
        running.step ??= Promise.withResolvers<Sealed>();
        running.worker.postMessage("step" satisfies ToThread);
        return running.step.promise;
      },
    };
  };
}
