import { parseArgs } from "node:util";
import { MAX_RATE_LIMIT_PER_MINUTE } from "#access/index.ts";
import { ALL_SCOPES, isScope } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { OrganisationAsked } from "./bootstrap.ts";

/** How the command is used: in the message of every mistake in its arguments, which has one line. */
const USAGE =
  'usage: npm run create-organisation -- "NAME" [--environment test|live] [--scopes SCOPE,SCOPE] [--rate-limit UNITS_PER_MINUTE]';

/**
 * Reads what follows `create-organisation`: the only way to a first key, so that there is no default credential.
 * @param environment what the installation is set to, where the command does not say
 * @throws Error with the usage
 */
export function organisationAsked(args: readonly string[], environment: "test" | "live"): OrganisationAsked {
  const given = read(args);
  const [name, ...rest] = given.positionals;
  const { values } = given;
  const wanted = values.environment ?? environment;
  if (name === undefined || name.trim() === "" || name.length > 100 || rest.length > 0) throw wrong("one NAME is needed");
  if (wanted !== "test" && wanted !== "live") throw wrong(`--environment ${wanted} is neither test nor live`);
  return {
    name,
    environment: wanted,
    ...(values.scopes === undefined ? {} : { scopes: scopesIn(values.scopes) }),
    ...(values["rate-limit"] === undefined ? {} : { rateLimitPerMinute: limitIn(values["rate-limit"]) }),
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { environment: { type: "string" }, scopes: { type: "string" }, "rate-limit": { type: "string" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function scopesIn(text: string): readonly Scope[] {
  return text.split(",").map((scope) => {
    if (!isScope(scope)) throw wrong(`${JSON.stringify(scope)} is no scope; there are ${ALL_SCOPES.join(" ")}`);
    return scope;
  });
}

function limitIn(text: string): number {
  const limit = Number(text);
  if (/^\d{1,8}$/.test(text) && limit >= 1 && limit <= MAX_RATE_LIMIT_PER_MINUTE) return limit;
  throw wrong(`--rate-limit must be from 1 to ${MAX_RATE_LIMIT_PER_MINUTE}`);
}

const wrong = (why: string): Error => new Error(`${why}; ${USAGE}`);
