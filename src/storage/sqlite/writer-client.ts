import type { Worker } from "node:worker_threads";
import { type CommitResult, StoreUnavailableError, type Write } from "../port.ts";
import type { EncodedCommit } from "./encode-commit.ts";
import type { AnswerMessage, ControlMessage, WireError } from "./protocol.ts";
import { StoreSchemaError } from "./schema.ts";

/** The calling thread's end of the writer thread. */
export interface WriterClient {
  /** Why no commit can be taken now: too many wait, or the writer has stopped. */
  refusal(): Error | undefined;
  /** Hands a commit over; resolves as soon as the writer has answered. Not to be called while there is a `refusal`. */
  commit(writes: readonly Write[], encoded: EncodedCommit): Promise<CommitResult>;
  /** @throws StoreUnavailableError when the writer refuses or has stopped. */
  ask(question: Question): Promise<number>;
  /** The first number for what `takesSeq`, as the writer found it in the file. */
  readonly nextSeq: number;
  /** What stopped the writer. */
  fatal(): Error | undefined;
  /** Ends the writer after everything handed over before. */
  close(): Promise<void>;
}

type Question = ControlMessage extends infer M ? (M extends ControlMessage ? Omit<M, "id"> : never) : never;

export interface WriterClientDeps {
  readonly worker: () => Worker;
  /** Called for each committed commit, in order, before its promise resolves. */
  readonly acknowledged: (writes: readonly Write[], firstSeq: number, generation: number) => void;
  readonly folded: (generation: number) => void;
  readonly onFatal: (error: Error) => void;
}

/** Beyond this many commits, or this much text, the store says that it has no room. */
const MAX_WAITING = 10_000;
const MAX_WAITING_CHARACTERS = 256 * 2 ** 20;

interface Waiting {
  readonly writes: readonly Write[];
  readonly firstSeq: number;
  readonly size: number;
  readonly resolve: (result: CommitResult) => void;
}

interface Asked {
  readonly resolve: (value: number) => void;
  readonly reject: (error: Error) => void;
}

function errorFrom(wire: WireError): Error {
  if (wire.name === "StoreSchemaError") return new StoreSchemaError(wire.message);
  return Object.assign(new Error(wire.message), wire.errcode === undefined ? {} : { errcode: wire.errcode });
}

const COMMITTED: CommitResult = { outcome: "committed" };

/** First in, first out; what was taken is not held any longer. */
function createQueue<T>(): { push(value: T): void; take(): T | undefined; size(): number } {
  let items: (T | undefined)[] = [];
  let first = 0;
  return {
    push: (value) => void items.push(value),
    take() {
      if (first === items.length) return undefined;
      const value = items[first];
      items[first++] = undefined;
      // The front is cut off seldom, so that taking costs no move of the rest each time.
      if (first === items.length || first === 1_024) {
        items = items.slice(first);
        first = 0;
      }
      return value;
    },
    size: () => items.length - first,
  };
}

/**
 * Starts the writer and waits until it has opened the file.
 * @throws StoreSchemaError, or what SQLite said, when it could not.
 */
export async function openWriter(deps: WriterClientDeps): Promise<WriterClient> {
  const worker = deps.worker();
  const waiting = createQueue<Waiting>();
  const asked = new Map<number, Asked>();
  let characters = 0;
  let nextId = 1;
  let stopped: Error | undefined;
  let ended = false;
  let closing = false;

  const take = (): Waiting | undefined => {
    const commit = waiting.take();
    characters -= commit?.size ?? 0;
    return commit;
  };

  const rejectAsked = (error: Error): void => {
    for (const { reject } of asked.values()) reject(error);
    asked.clear();
  };

  /** The first `unknown` commits that wait are unknown, the rest were never begun. */
  const die = (error: Error, unknown: number): void => {
    if (stopped !== undefined) return;
    stopped = error;
    deps.onFatal(error);
    const count = waiting.size();
    for (let i = 0; i < count; i++) take()?.resolve({ outcome: i < unknown ? "unknown" : "unavailable", cause: error });
    rejectAsked(new StoreUnavailableError("the store has stopped", { cause: error }));
  };

  const done = (answer: AnswerMessage & { type: "done" }): void => {
    let failure = 0;
    for (let position = 0; position < answer.count; position++) {
      const commit = take();
      if (commit === undefined) return;
      const failed = answer.failed[failure];
      if (failed !== undefined && failed[0] === position) {
        failure += 1;
        commit.resolve({ outcome: "conflict", writes: failed[1] });
      } else {
        deps.acknowledged(commit.writes, commit.firstSeq, answer.generation);
        commit.resolve(COMMITTED);
      }
    }
  };

  const hear = (answer: AnswerMessage): void => {
    switch (answer.type) {
      case "done":
        done(answer);
        return;
      case "folded":
        deps.folded(answer.generation);
        return;
      case "refused": {
        const cause = errorFrom(answer.error);
        for (let i = 0; i < answer.count; i++) take()?.resolve({ outcome: "unavailable", cause });
        return;
      }
      case "lost":
        die(errorFrom(answer.error), answer.count);
        return;
      case "reply":
        asked.get(answer.id)?.resolve(answer.value);
        asked.delete(answer.id);
        return;
      case "refusal":
        asked.get(answer.id)?.reject(new StoreUnavailableError("the store refuses work", { cause: errorFrom(answer.error) }));
        asked.delete(answer.id);
        return;
      case "ready":
      case "failed":
        return;
    }
  };

  const exited = new Promise<void>((resolve) => {
    worker.on("exit", (code) => {
      ended = true;
      // Whatever it had been given may have been written or not.
      if (!closing || waiting.size() > 0) die(new Error(`the writer thread ended with code ${code}`), waiting.size());
      rejectAsked(new StoreUnavailableError("the store is closed"));
      resolve();
    });
  });
  let broken: Error | undefined;
  const nextSeq = await new Promise<number>((resolve, reject) => {
    worker.on("error", (error) => {
      broken = error instanceof Error ? error : new Error(String(error));
      reject(broken);
      die(broken, waiting.size());
    });
    worker.once("message", (answer: AnswerMessage) => {
      if (answer.type === "ready") resolve(answer.nextSeq);
      else reject(answer.type === "failed" ? errorFrom(answer.error) : new Error("the writer did not start"));
    });
  }).catch(async (error: unknown) => {
    closing = true;
    await exited;
    throw error;
  });
  worker.on("message", hear);

  const ask = (question: Question): Promise<number> =>
    new Promise((resolve, reject) => {
      if (stopped !== undefined || ended) {
        reject(new StoreUnavailableError("the store has stopped", { cause: stopped }));
        return;
      }
      const id = nextId++;
      asked.set(id, { resolve, reject });
      worker.postMessage({ ...question, id });
    });

  return {
    nextSeq,
    refusal() {
      if (stopped !== undefined) return stopped;
      if (waiting.size() < MAX_WAITING && characters < MAX_WAITING_CHARACTERS) return undefined;
      return new StoreUnavailableError("too many commits wait for the disk");
    },
    commit: (writes, { message, size }) =>
      new Promise((resolve) => {
        characters += size;
        waiting.push({ writes, firstSeq: message[0] as number, size, resolve });
        worker.postMessage(message);
      }),
    ask,
    fatal: () => stopped,
    async close() {
      closing = true;
      try {
        // The writer takes messages in order, so this answer comes after all others.
        await ask({ ask: "close" });
      } catch {
        // It has stopped already; there is nothing left to finish.
      }
      if (!ended) await exited;
    },
  };
}
