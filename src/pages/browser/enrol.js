// Adds passkeys and authenticator apps.
import { ask, fact, finish, on, one, say, sayRefusal, tellExpiry } from "./page.js";
import { makePasskey, usePasskey } from "./passkey.js";

/** Shows that a factor is at hand; good for one addition. @type {object | undefined} */
let proof;
const proofNeeded = fact("proof") === "needed";
const ADDED = ["passkey_added", "totp_added"];
/** By these the server says that it does not have a passkey. Others may answer a request that came twice: the first time it was taken. */
const NOT_TAKEN = ["passkey_not_device_bound", "limit_reached", "factor_proof_required", "authentication_failed", "authentication_blocked"];

tellExpiry();
// The page is made anew by the server after each addition; what was added is said once it stands in the list.
const added = location.hash.slice(1);
if (ADDED.includes(added)) {
  history.replaceState(null, "", location.pathname);
  say(added);
}

/** @param {string} word */
function showAnew(word) {
  location.hash = word;
  location.reload();
}

/** Whether the server is adding something at this moment. Until that is known nobody can say how the visit has ended. */
let adding = false;

/** @param {string} path @param {object} body */
async function add(path, body) {
  adding = true;
  const answer = await ask(path, body);
  adding = false;
  return answer;
}

/** Whether there is anything left to prove; says so. */
function mustProve() {
  if (!proofNeeded || proof !== undefined) return false;
  say("proof_first", true);
  one("#prove-title").focus();
  return true;
}

/** @param {object} given */
function keepProof(given) {
  proof = given;
  one("#prove").hidden = true;
  say("proved");
  one("#add-title").focus();
}

/** A proof is good for one try, also for a wrong one. */
function forgetProof() {
  proof = undefined;
  if (proofNeeded) one("#prove").hidden = false;
}

const given = () => (proof === undefined ? {} : { proof });

if (proofNeeded && document.querySelector("#prove-passkey") !== null)
  on("#prove-passkey", async () => {
    const asked = await ask("/proof/options");
    if (!asked.ok) return sayRefusal(asked);
    const response = await usePasskey(asked.body.public_key);
    if (response !== undefined) keepProof({ type: "passkey", response });
  });

if (proofNeeded && document.querySelector("#prove-code") !== null)
  on("#prove-code", async () => {
    const code = /** @type {HTMLInputElement} */ (one("#prove-code-text"));
    const type = /** @type {HTMLSelectElement} */ (one("#prove-code-type")).value;
    keepProof({ type, code: code.value });
    code.value = "";
  });

on("#add-passkey", async () => {
  if (mustProve()) return;
  const asked = await ask("/passkeys/options");
  if (!asked.ok) return sayRefusal(asked);
  const response = await makePasskey(asked.body.public_key);
  if (response === undefined) return;
  say("working");
  const answer = await add("/passkeys", { response, ...given() });
  if (answer.ok) return showAnew("passkey_added");
  forgetProof();
  sayRefusal(answer);
  // Has the device forget what the server does not know, where browsers can be told so. What it may know is kept: without it the customer
  // could prove nothing any more.
  if (!NOT_TAKEN.includes(answer.code)) return;
  const { rp } = asked.body.public_key;
  try {
    await Reflect.get(PublicKeyCredential, "signalUnknownCredential")?.call(PublicKeyCredential, {
      rpId: rp.id,
      credentialId: /** @type {any} */ (response).id,
    });
  } catch {
    // What was said above stays: it tells why the passkey was not taken.
  }
});

on("#start-totp", async () => {
  const answer = await ask("/totp");
  if (!answer.ok) return sayRefusal(answer);
  const { id, secret, uri } = answer.body;
  one("#totp-form").dataset["id"] = id;
  one("#totp-key").textContent = secret.replaceAll(/(.{4})(?=.)/g, "$1 ");
  one("#totp-key").dataset["key"] = secret;
  one("#totp-link").setAttribute("href", uri);
  one("#start-totp").hidden = true;
  one("#totp-steps").hidden = false;
  say("totp_scan");
  one("#totp-link").focus();
});

on("#copy-totp", async () => {
  await navigator.clipboard.writeText(one("#totp-key").dataset["key"] ?? "");
  say("totp_copied");
});

on("#totp-form", async () => {
  if (mustProve()) return;
  const field = /** @type {HTMLInputElement} */ (one("#totp-code"));
  const answer = await add("/totp/activate", { id: one("#totp-form").dataset["id"], code: field.value, ...given() });
  if (answer.ok) return showAnew("totp_added");
  if (answer.code !== "factor_code_wrong") forgetProof();
  sayRefusal(answer);
  field.focus();
});

on("#finish", async () => {
  if (adding) return;
  const answer = await ask("/finish");
  if (!answer.ok) return sayRefusal(answer);
  const { result, return_url } = answer.body;
  finish(`${result}_title`, `${result}_text`, return_url);
});
