import type { Refusal } from "#kernel/problems.ts";
import type { TrainProgress } from "./train.ts";

/** What the worker says to who started it. The last message is `trained`, `refused` or `failed`. */
export type TrainMessage =
  | { readonly kind: "progress"; readonly progress: TrainProgress }
  /** The model's canonical text: what is stored is what was made. */
  | { readonly kind: "trained"; readonly text: string }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "failed"; readonly message: string };
