import type { Asked, CommitQueue, Executed, View } from "#commit/index.ts";
import type { Actor } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { ControlPolicy, Facts } from "./policy.ts";

/** A request as it waits for approval: everything of it that its operation reads. Stored as canonical JSON (RFC 8785), sealed. */
export interface Payload {
  readonly operation: string;
  readonly params: JsonObject;
  readonly body: JsonObject;
  /** The value of `If-Match`; `null` when it was not sent. */
  readonly if_match: string | null;
}

/** Whether the person behind an actor may still act, and what it may do. */
export interface Standing {
  readonly scopes: ReadonlySet<Scope>;
  /** What the HTTP room would hand on as the principal of a request; for operations that ask what their caller may give. */
  readonly principal: object;
}

/** A person of an organisation who could approve something. */
export interface Person {
  readonly personId: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** What an operation is executed with once it is approved. */
export interface Execution {
  /** The maker's actor, under which the operation is decided and told. No Idempotency-Key: the approval itself is used once. */
  readonly asked: Asked;
  /** Takes exactly one command, and ends the approval in the same commit. */
  readonly queue: CommitQueue;
  /** What the maker may do now. */
  readonly standing: Standing;
  readonly approvalId: string;
  /** When it was asked for, ms. */
  readonly requestedAt: number;
  /** What `countOf` said then; `null` where the operation has none, or an earlier release wrote the approval. */
  readonly requestedCount: number | null;
  /** How many persons have approved it. */
  readonly approvals: number;
}

/** An operation of the API that may need a second person. */
export interface ControlledOperation {
  /** Of the OpenAPI document. */
  readonly operationId: string;
  /** What the policy calls it; several operations may be of one kind. */
  readonly kind: string;
  /** The scope of the operation itself, which its approvers need beside `approvals:write`. */
  readonly scope: Scope;
  /** Needs approval whatever the policy says. */
  readonly always?: boolean;
  /** The kind knows amounts, so that the policy may name limits. */
  readonly amounts?: boolean;
  /**
   * What the policy is held against. `undefined`: this request changes nothing that the kind is about (or nothing that there is),
   * so it goes its usual way. A refusal answers at once what could never be executed.
   */
  facts(
    payload: Payload,
    organisationId: OrganisationId,
    policy: ControlPolicy,
    actor: Actor,
  ): Promise<Facts | Refusal | undefined> | Facts | Refusal | undefined;
  /**
   * The same of what a decision has loaded, for those that hold a request against what there is: who narrows that after the gate has looked
   * would have it made wide again by a request that widened nothing then. The request has found its object.
   */
  readonly factsIn?: (payload: Payload, view: View, actor: Actor) => Facts | undefined;
  /**
   * Fills in what the request leaves open and its approvers read as it stands when it is asked for, such as the version of the object
   * that they look at: so that nobody swaps it behind what was approved.
   */
  readonly pin?: (payload: Payload, organisationId: OrganisationId) => Promise<Payload>;
  /**
   * A count kept with what the operation is about, for those to which it matters what had been done to that when it was asked for: clocks are
   * set back, and those of nodes differ.
   */
  readonly countOf?: (payload: Payload, organisationId: OrganisationId) => Promise<number>;
  /** Does it. */
  execute(payload: Payload, execution: Execution): Promise<Executed>;
  /**
   * For what shows a secret once: nobody was there to be shown it when it was executed, so its maker has a new one made of the object
   * that the execution made, in one command, once.
   * @param executedAt milliseconds
   */
  readonly claim?: (
    objectId: string,
    execution: Execution,
    executedAt: number,
  ) => Promise<{ readonly executed: Executed; readonly secret: string | undefined }>;
}

/** When something was said. */
export interface Said {
  /** Milliseconds. */
  readonly at: number;
  /** The `wordEpoch` of whoever said it; `null` where there is none, or an earlier release noted it. */
  readonly epoch: number | null;
}

/** What the rooms above tell of people. All read the store, so that a disabled person is out at once. */
export interface PeopleOf {
  /**
   * `undefined` when the person cannot act any more, or the key or session it acted through cannot.
   * @param said when the actor said what is to count now: somebody else may have said it in the name of a person who was compromised
   */
  standing(actor: Actor, said?: Said): Promise<Standing | undefined>;
  /**
   * A count that is another one once the person has come back after having been compromised. Read before something that the actor says is
   * noted, and noted with it. `null`: the person is a key, which cannot come back.
   */
  wordEpoch(actor: Pick<Actor, "apiKeyId" | "operatorId" | "personId">): Promise<number | null>;
  /** Everybody of an organisation who can act now, each once. */
  people(organisationId: OrganisationId): Promise<readonly Person[]>;
}

/** Whether two actors are one person: the same operator, the same key, or a key of that operator. */
export function isSamePerson(
  a: Pick<Actor, "apiKeyId" | "operatorId" | "personId">,
  b: Pick<Actor, "apiKeyId" | "operatorId" | "personId">,
): boolean {
  const names = (actor: typeof a): string[] =>
    [actor.personId, actor.operatorId, actor.apiKeyId].filter((name): name is string => typeof name === "string");
  const own = new Set(names(a));
  return names(b).some((name) => own.has(name));
}
