import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { FEATURES_HASH } from "#features/index.ts";
import { invariant } from "#kernel/assert.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import type { ModelCard } from "#model/index.ts";
import { packContent, unpack } from "./content.ts";
import type { LearningDeps } from "./deps.ts";
import { addModel, factsOf } from "./new-model.ts";
import { presentModel } from "./present-model.ts";
import { emptyRegistry, registries, registryKey } from "./registry.ts";

export interface ImportBody {
  readonly format: "xgboost" | "smartfinance";
  readonly encoding?: "text" | "gzip";
  readonly content: string;
  readonly features?: Readonly<Record<string, string>>;
  readonly description?: string | null;
  readonly label_delay_days?: number;
}

export const DEFAULT_LABEL_DELAY_DAYS = 7;
/** Items besides the pieces: the model, the registry, the event, the kept reply. */
const OTHER_ITEMS = 4;

interface Brought {
  readonly ok: true;
  readonly hash: string;
  readonly card: ModelCard;
  readonly packed: readonly string[];
}

/**
 * POST /v1/risk/models/import: a candidate that was trained elsewhere. What it has seen is not known, whatever its file says, so only
 * payments made from now on may judge it.
 */
export async function importModel(deps: LearningDeps, asked: Asked, body: ImportBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a model is imported by somebody");
  const turn = await deps.turns.take(() => bring(deps, body));
  const brought = turn.ok ? turn.value : turn;
  if (!brought.ok) return refuseAtOnce(brought, requestId);
  const { hash, card, packed } = brought;
  const id = deps.ids.next("riskModel");
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [{ collection: registries, key: registry, mode: "write" }],
    appends: packed.length + OTHER_ITEMS,
    decide(view, at) {
      const work = workOn(view);
      const added = addModel(
        work,
        work.get(registries, registry) ?? emptyRegistry(organisationId),
        {
          id,
          organisationId,
          origin: body.format,
          description: body.description ?? null,
          hash,
          featuresHash: FEATURES_HASH,
          card,
          judgedFrom: at,
          labelDelayDays: body.label_delay_days ?? DEFAULT_LABEL_DELAY_DAYS,
          trainingId: null,
          createdBy: person,
          createdAt: at,
        },
        packed,
      );
      if (!added.ok) return refused(added, requestId);
      work.tell({ id: eventId, type: "risk_model.imported", objectId: id, details: { ...factsOf(added.model), bytes: card.bytes } });
      return work.outcome(replied(201, presentModel(added.model)));
    },
  });
}

async function bring({ read }: LearningDeps, body: ImportBody): Promise<Brought | Refusal> {
  const text = await textOf(body);
  if (text === undefined) return refuse("invalid_request", "content", "It is no gzip in base64 of at most 32 MiB.");
  const outcome = await read({ kind: body.format, text, features: body.features ?? {} });
  if (!outcome.ok) return outcome;
  const { hash, card } = outcome;
  const packed = await packContent(outcome.text);
  if (packed === undefined || card === undefined) return refuse("invalid_request", "content", "The model is too large to be kept.");
  return { ok: true, hash, card, packed };
}

async function textOf({ encoding, content }: ImportBody): Promise<string | undefined> {
  if (encoding !== "gzip") return content;
  try {
    return await unpack(Buffer.from(content, "base64"));
  } catch {
    return undefined;
  }
}
