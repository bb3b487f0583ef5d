import type { Random } from "#kernel/random.ts";
import { rotateKeyFile, setKeyState } from "./change-key-file.ts";
import { localKeyStates, readKeyFile } from "./local-key-file.ts";
import type { KeyFileFacts } from "./local-key-file.ts";

const REWRAP = 'POST /v1/key-rotations {"target":"wrapping_keys"} of each organisation';

/**
 * The operator's commands on the local key file. A running server notices the change with its next use of the file.
 * @returns what to print; `undefined` when the arguments are no such command
 * @throws KeyFileError; Error with the usage
 */
export async function runKmsCommand(
  args: readonly string[],
  deps: { readonly file: string; readonly local: boolean; readonly random: Random; readonly facts: KeyFileFacts },
): Promise<string | undefined> {
  const [command, number = "", state = "", ...rest] = args;
  const { file, random, facts } = deps;
  if (command !== "rotate-kms-key" && command !== "kms-key-state") return undefined;
  if (!deps.local) throw new Error("this installation's wrapping keys are kept by AWS KMS, and rotated, disabled or deleted there");
  if (command === "rotate-kms-key") {
    if (args.length !== 1) throw new Error("usage: npm start -- rotate-kms-key");
    const current = await rotateKeyFile(file, random, facts);
    return `new data keys are wrapped by local/${current} from now on; ${REWRAP} wraps the others anew`;
  }
  const known = localKeyStates.find((one) => one === state);
  if (!/^[1-9]\d{0,8}$/.test(number) || known === undefined || rest.length > 0)
    throw new Error(`usage: npm start -- kms-key-state NUMBER ${localKeyStates.join("|")}`);
  const before = (await readKeyFile(file))?.current;
  const current = await setKeyState(file, Number(number), known, random, facts);
  const told = `local/${number} is ${known}; the current key is local/${current}`;
  const made = before === current ? "" : `. local/${number} was the current key: local/${current} has been made for new data keys`;
  if (known === "enabled") return told;
  if (known === "retired") return `${told}${made}. What local/${number} wraps still opens; ${REWRAP} moves it to local/${current}`;
  return (
    `${told}${made}\nWARNING: whatever is still wrapped by local/${number} opens no more, within 5 seconds on a running server too, and ` +
    `the server may not start on it. If GET /v1/crypto-inventory shows data keys under it: "npm start -- kms-key-state ${number} retired", ` +
    `${REWRAP}, then block it`
  );
}
