import type { ProblemCode } from "#kernel/problems.ts";
import type { MovableClock, Organisation } from "#test/support/app.ts";

/** One request of an operation: what fills its path, its query and its body. */
export interface Request {
  readonly id?: string;
  /** Further parameters of the path, by name. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

export interface OperationCase {
  /** Makes what the request needs, so that it succeeds once. */
  prepare(organisation: Organisation, landmarks: Landmarks, clock: MovableClock): Promise<Request> | Request;
  /** The status of its success. */
  readonly status: number;
  /** The content type of its success where that is no JSON. */
  readonly media?: string;
  /** Calls that are refused for their scope leave a security event. */
  readonly sensitive?: true;
  /** The audit events it leaves, in their order. */
  readonly events: readonly string[];
  /** Those among them that are told of whoever asked for what this request lets pass. */
  readonly eventsOfOthers?: readonly string[];
  /** What a key with the operation's scope alone is refused with, where the scope is not all that is needed. */
  readonly alone?: ProblemCode;
  /** Members that the good body cannot have beside its others: with them it is only good for being got wrong, member by member. */
  readonly excluded?: Request["body"];
}

/** Things of an organisation that operations only look at, by the prefix of their ids. */
export type Landmarks = Readonly<
  Record<
    | "apr"
    | "opr"
    | "usr"
    | "fac"
    | "aut"
    | "ben"
    | "sto"
    | "acc"
    | "txn"
    | "hld"
    | "rev"
    | "key"
    | "evt"
    | "org"
    | "rot"
    | "dek"
    | "rul"
    | "lst"
    | "dry"
    | "mdl"
    | "trn"
    | "whk"
    | "dlv"
    | "hps",
    string
  >
>;

/** The cases of one room, by operationId. */
export type OperationCases = Readonly<Record<string, OperationCase>>;

/** A case that only looks. */
export const reads = (prepare: OperationCase["prepare"]): OperationCase => ({ prepare, status: 200, events: [] });

export const onAccount = (query?: Request["query"]): OperationCase =>
  reads((_organisation, { acc }) => ({ id: acc, ...(query === undefined ? {} : { query }) }));

export const metadata = { note: "for tests" };
export const reference = "Test";
