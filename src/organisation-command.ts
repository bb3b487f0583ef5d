import { parseArgs } from "node:util";
import { MAX_RATE_LIMIT_PER_MINUTE } from "#access/index.ts";
import { normaliseEmail } from "#identity/index.ts";
import { isId } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { ALL_ROLES, isRole } from "#kernel/roles.ts";
import type { RoleName } from "#kernel/roles.ts";
import { ALL_SCOPES, isScope } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { OrganisationAsked } from "./bootstrap.ts";

/** How each command is used: in the message of every mistake in its arguments, which has one line, and in its help. */
const USAGES = {
  "create-organisation":
    'npm run create-organisation -- "NAME" [--environment test|live] [--admin EMAIL] [--scopes SCOPE,SCOPE] [--rate-limit UNITS_PER_MINUTE]',
  "create-api-key": 'npm run create-api-key -- ORGANISATION_ID --name "NAME" [--scopes SCOPE,SCOPE] [--rate-limit UNITS_PER_MINUTE]',
  "create-operator-invitation": 'npm run create-operator-invitation -- ORGANISATION_ID --email EMAIL [--name "NAME"] [--roles ROLE,ROLE]',
  "reset-allow-list": "npm run reset-allow-list -- ORGANISATION_ID",
  "rotate-audit-key": "npm run audit:rotate-key -- --overlap-days DAYS",
} as const;
type CommandName = keyof typeof USAGES;

const ABOUT: Readonly<Record<CommandName, string>> = {
  "create-organisation":
    "Makes an organisation and its first API key, with all scopes where none are given, and prints the key once; with --admin also the invitation of its first operator.",
  "create-api-key":
    "Makes an API key of an organisation that no key of its own can help any more: all are lost, revoked, or lack api_keys:write.",
  "create-operator-invitation":
    "Invites an operator, an admin where no roles are given, when no operator can any more; one who has the address already is invited again, to choose another password.",
  "reset-allow-list":
    "Empties the IP allow-list of an organisation that has locked itself out, so that calls may come from anywhere again.",
  "rotate-audit-key":
    "Gives the audit log a new key and prints it. The key before signs next to it for DAYS (0 to 365); 0 where it may be known to others.",
};

/** Commands that are read elsewhere, for the help that lists all. */
const KEY_FILE_HELP = `npm start -- rotate-kms-key
    Adds a wrapping key to the local key file; the ones before go on unwrapping.
npm start -- kms-key-state NUMBER enabled|retired|compromised
    Gives a key of the local key file another state.`;

/** What an operator asks of the store, beside a server or without one. */
export type OperatorCommand =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "create-organisation"; readonly asked: OrganisationCommand }
  | { readonly kind: "create-api-key"; readonly asked: KeyAsked }
  | { readonly kind: "create-operator-invitation"; readonly asked: InvitationCommand }
  | { readonly kind: "reset-allow-list"; readonly organisationId: OrganisationId }
  | { readonly kind: "rotate-audit-key"; readonly overlapDays: number };

export interface OrganisationCommand extends OrganisationAsked {
  /** The e-mail address of its first operator. */
  readonly admin?: string;
}

export interface InvitationCommand {
  readonly organisationId: OrganisationId;
  readonly email: string;
  readonly name: string;
  readonly roles: readonly RoleName[];
}

export interface KeyAsked {
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly scopes?: readonly Scope[];
  readonly rateLimitPerMinute?: number;
}

/**
 * Reads a command line.
 * @param environment what the installation is set to: keys of the other kind are no good in it
 * @throws Error with the usage
 */
export function operatorCommand(name: string, args: readonly string[], environment: "test" | "live"): OperatorCommand {
  if (name === "--help" || name === "-h" || name === "help") return { kind: "help", text: helpOnAll() };
  if ((name === "rotate-kms-key" || name === "kms-key-state") && asksHelp(args)) return { kind: "help", text: `${KEY_FILE_HELP}\n` };
  if (!isCommand(name))
    throw new Error(`there is no command ${JSON.stringify(name)}, only ${Object.keys(USAGES).join(", ")}, rotate-kms-key, kms-key-state`);
  if (asksHelp(args)) return { kind: "help", text: helpOn(name) };
  if (name === "rotate-audit-key") return { kind: name, overlapDays: overlapAsked(args) };
  if (name === "create-organisation") return { kind: name, asked: organisationAsked(args, environment) };
  if (name === "create-operator-invitation") return { kind: name, asked: invitationAsked(args) };
  return name === "create-api-key" ? { kind: name, asked: keyAsked(args) } : { kind: name, organisationId: idAsked(args) };
}

/** Reads what follows `create-organisation`: the only way to a first key, so that there is no default credential. */
export function organisationAsked(args: readonly string[], environment: "test" | "live"): OrganisationCommand {
  const wrong = complaint("create-organisation");
  const { positionals, values } = read(args, { environment: { type: "string" }, admin: { type: "string" }, ...KEY_OPTIONS }, wrong);
  const [name, ...rest] = positionals;
  const wanted = values.environment ?? environment;
  if (name === undefined || name.trim() === "" || name.length > 100 || rest.length > 0) throw wrong("one NAME is needed");
  if (wanted !== "test" && wanted !== "live") throw wrong(`--environment ${String(wanted)} is neither test nor live`);
  if (wanted !== environment)
    throw wrong(
      `--environment ${wanted} does not fit: this installation is ${environment} (SMARTFINANCE_ENVIRONMENT), and takes no ${wanted} keys`,
    );
  const { admin } = values;
  if (admin !== undefined && (typeof admin !== "string" || !looksLikeEmail(admin))) throw wrong("--admin must be an e-mail address");
  return { name, environment: wanted, ...(typeof admin === "string" ? { admin } : {}), ...termsOf(values, wrong) };
}

function keyAsked(args: readonly string[]): KeyAsked {
  const wrong = complaint("create-api-key");
  const { positionals, values } = read(args, { name: { type: "string" }, ...KEY_OPTIONS }, wrong);
  const [organisationId, ...rest] = positionals;
  const { name } = values;
  if (!isId("organisation", organisationId) || rest.length > 0) throw wrong("one ORGANISATION_ID (org_…) is needed");
  if (typeof name !== "string" || name.trim() === "" || name.length > 100) throw wrong("--name is needed, up to 100 characters");
  return { organisationId, name, ...termsOf(values, wrong) };
}

function invitationAsked(args: readonly string[]): InvitationCommand {
  const wrong = complaint("create-operator-invitation");
  const options = { email: { type: "string" }, name: { type: "string" }, roles: { type: "string" } } as const;
  const { positionals, values } = read(args, options, wrong);
  const [organisationId, ...rest] = positionals;
  const { email, name = "Administrator", roles = "admin" } = values;
  if (!isId("organisation", organisationId) || rest.length > 0) throw wrong("one ORGANISATION_ID (org_…) is needed");
  if (typeof email !== "string" || !looksLikeEmail(email)) throw wrong("--email is needed, an e-mail address");
  if (typeof name !== "string" || name.trim() === "" || name.length > 200) throw wrong("--name has up to 200 characters");
  return { organisationId, email, name, roles: rolesIn(String(roles), wrong) };
}

const looksLikeEmail = (text: string): boolean => normaliseEmail(text) !== undefined;

function rolesIn(text: string, wrong: Wrong): readonly RoleName[] {
  return text.split(",").map((role) => {
    if (!isRole(role)) throw wrong(`${JSON.stringify(role)} is no role; there are ${ALL_ROLES.join(" ")}`);
    return role;
  });
}

function idAsked(args: readonly string[]): OrganisationId {
  const wrong = complaint("reset-allow-list");
  const [organisationId, ...rest] = read(args, {}, wrong).positionals;
  if (!isId("organisation", organisationId) || rest.length > 0) throw wrong("one ORGANISATION_ID (org_…) is needed");
  return organisationId;
}

function overlapAsked(args: readonly string[]): number {
  const wrong = complaint("rotate-audit-key");
  const { positionals, values } = read(args, { "overlap-days": { type: "string" } }, wrong);
  const days = values["overlap-days"];
  if (positionals.length > 0 || typeof days !== "string") throw wrong("--overlap-days is needed");
  if (!/^\d{1,3}$/.test(days) || Number(days) > MAX_OVERLAP_DAYS) throw wrong(`--overlap-days must be from 0 to ${MAX_OVERLAP_DAYS}`);
  return Number(days);
}

/**
 * What is worth telling before a key with these scopes is handed over: a key gives no more than it has, so an organisation
 * whose only key cannot make others, or only others that can do nothing, is of no use.
 */
export function scopesWarning(scopes: readonly Scope[] | undefined): string | undefined {
  if (scopes === undefined) return undefined;
  if (!scopes.includes("api_keys:write"))
    return "this key cannot make other keys (api_keys:write); further ones are made by npm run create-api-key";
  const useful = scopes.some((scope) => !scope.startsWith("api_keys:") && !scope.startsWith("organisation:"));
  return useful
    ? undefined
    : "a key gives only the scopes it has itself, so the keys this one makes can do nothing but manage keys and settings";
}

const MAX_OVERLAP_DAYS = 365;
const KEY_OPTIONS = { scopes: { type: "string" }, "rate-limit": { type: "string" } } as const;
type Wrong = (why: string) => Error;
type Values = Readonly<Record<string, string | boolean | undefined>>;

function read(
  args: readonly string[],
  options: Record<string, { type: "string" }>,
  wrong: Wrong,
): { positionals: string[]; values: Values } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function termsOf(values: Values, wrong: Wrong): Pick<KeyAsked, "scopes" | "rateLimitPerMinute"> {
  const { scopes, "rate-limit": limit } = values;
  return {
    ...(typeof scopes === "string" ? { scopes: scopesIn(scopes, wrong) } : {}),
    ...(typeof limit === "string" ? { rateLimitPerMinute: limitIn(limit, wrong) } : {}),
  };
}

function scopesIn(text: string, wrong: Wrong): readonly Scope[] {
  return text.split(",").map((scope) => {
    if (!isScope(scope)) throw wrong(`${JSON.stringify(scope)} is no scope; there are ${ALL_SCOPES.join(" ")}`);
    return scope;
  });
}

function limitIn(text: string, wrong: Wrong): number {
  const limit = Number(text);
  if (/^\d{1,8}$/.test(text) && limit >= 1 && limit <= MAX_RATE_LIMIT_PER_MINUTE) return limit;
  throw wrong(`--rate-limit must be from 1 to ${MAX_RATE_LIMIT_PER_MINUTE}`);
}

const asksHelp = (args: readonly string[]): boolean => args.includes("--help") || args.includes("-h");
const isCommand = (name: string): name is CommandName => Object.hasOwn(USAGES, name);
const complaint =
  (name: CommandName): Wrong =>
  (why) =>
    new Error(`${why}; usage: ${USAGES[name]}`);

/** The words that an option of a command takes, for those that have one. */
function wordsOf(name: CommandName): string {
  if (USAGES[name].includes("--scopes")) return `\nScopes: ${ALL_SCOPES.join(" ")}\n`;
  return USAGES[name].includes("--roles") ? `\nRoles: ${ALL_ROLES.join(" ")}\n` : "";
}

const helpOn = (name: CommandName): string => `${USAGES[name]}\n    ${ABOUT[name]}\n${wordsOf(name)}`;

function helpOnAll(): string {
  const commands = (Object.keys(USAGES) as CommandName[]).map((name) => `${USAGES[name]}\n    ${ABOUT[name]}`);
  return `npm start\n    The server. Settings are environment variables; README.md lists them.\n${commands.join("\n")}\n${KEY_FILE_HELP}\n`;
}
