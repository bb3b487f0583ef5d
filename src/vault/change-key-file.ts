import type { Random } from "#kernel/random.ts";
import { KEY_BYTES, KeyFileError, MAX_FILE_KEYS, replaceKeyFile } from "./local-key-file.ts";
import type { KeyFile, KeyFileFacts, LocalKeyState } from "./local-key-file.ts";

/** Adds a key and makes it the current one. Older ones go on unwrapping. @returns its number @throws KeyFileError */
export async function rotateKeyFile(file: string, random: Random, facts: KeyFileFacts): Promise<number> {
  const { current } = await replaceKeyFile(file, facts.now, (old) => withNewKey(ours(file, old, facts), random, facts.now));
  return current;
}

/**
 * Gives a key another state. When it is the current key and may wrap no more, a new one takes its place in the same change.
 * @returns the number of the current key @throws KeyFileError
 */
export async function setKeyState(
  file: string,
  number: number,
  state: LocalKeyState,
  random: Random,
  facts: KeyFileFacts,
): Promise<number> {
  const { current } = await replaceKeyFile(file, facts.now, (old) => {
    const known = ours(file, old, facts);
    const key = known.keys.get(number);
    if (key === undefined) throw new KeyFileError(`key file ${file} has no key ${number}`);
    const changed = { ...known, keys: new Map(known.keys).set(number, { ...key, state }) };
    return state !== "enabled" && known.current === number ? withNewKey(changed, random, facts.now) : changed;
  });
  return current;
}

type OwnFile = KeyFile & { readonly environment: KeyFileFacts["environment"] };

function ours(file: string, old: KeyFile, { environment }: KeyFileFacts): OwnFile {
  if (old.environment !== undefined && old.environment !== environment) throw foreignKeyFile(file, old.environment, environment);
  return { ...old, environment };
}

/** A key file of another environment: no key is shared between test and live. */
export function foreignKeyFile(file: string, theirs: string, wanted: string): KeyFileError {
  return new KeyFileError(
    `key file ${file} belongs to the environment ${theirs}; this installation is ${wanted} and needs keys of its own`,
  );
}

function withNewKey(old: OwnFile, random: Random, now: number): OwnFile {
  if (old.keys.size >= MAX_FILE_KEYS) throw new KeyFileError(`the key file holds ${MAX_FILE_KEYS} keys, which is as many as it may`);
  const current = Math.max(...old.keys.keys()) + 1;
  const key = { bytes: Buffer.from(random.bytes(KEY_BYTES)), state: "enabled" as const, createdAt: now };
  return { ...old, current, keys: new Map(old.keys).set(current, key) };
}
