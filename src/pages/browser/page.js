// What the pages' scripts have in common: talking to the server, and to whoever sits in front of the page.

/**
 * `certain`: the server has refused, so nothing was changed. Otherwise it may have been done all the same.
 * @typedef {{ readonly ok: false, readonly code: string, readonly certain: boolean }} NoAnswer
 * @typedef {{ readonly ok: true, readonly body: any } | NoAnswer} Answer
 */

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
/** Texts in the language of the page. @type {Record<string, string>} */
const words = JSON.parse(main.dataset["words"] ?? "{}");
/** Where this session's own endpoints are. */
const base = main.dataset["base"] ?? "";

/** Which text a refusal of the server is told by; all others are told as `failed` or `unknown`. @type {Record<string, string>} */
const REFUSALS = {
  authentication_failed: "wrong_proof",
  authentication_blocked: "locked",
  rate_limited: "locked",
  too_many_failures: "locked",
  factor_proof_required: "proof_first",
  factor_code_wrong: "wrong_code",
  passkey_known: "passkey_known",
  // What was asked for is used up: by this very request, if the network has sent it twice.
  passkey_invalid: "unknown",
  factor_not_pending: "unknown",
  passkey_not_device_bound: "passkey_synced",
  limit_reached: "limit",
  authentication_mismatch: "changed",
  authentication_not_usable: "over",
  authentication_unavailable: "no_passkey_left",
  hosted_session_ended: "over",
  offline: "offline",
};

/**
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function one(selector) {
  const found = main.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return found;
}

/** A fact that the server wrote into the page. @param {string} name */
export function fact(name) {
  return main.dataset[name];
}

/**
 * Says something in the live region, which screen readers read out.
 * @param {string} text
 * @param {boolean} [bad]
 */
export function announce(text, bad = false) {
  const status = one("#status");
  status.classList.toggle("bad", bad);
  status.textContent = text;
}

/** Says one of the page's texts. @param {string} word @param {boolean} [bad] */
export function say(word, bad = false) {
  announce(words[word] ?? "", bad);
}

/** Whether something was asked for of which nobody heard what became of it. */
let lost = false;

/** Says why something did not work. @param {NoAnswer} answer */
export function sayRefusal({ code, certain }) {
  const word = REFUSALS[code];
  // What cannot be done any more may have been done by what got lost, and what is to be proved was set up since this page was made: the
  // server makes a page of how it stands.
  const done = lost && certain && (word === undefined || word === "over" || word === "proof_first");
  if (done || (word === "proof_first" && main.querySelector("#prove") === null)) return location.reload();
  lost ||= !certain;
  say(word ?? (certain ? "failed" : "unknown"), true);
}

/**
 * Asks one of the session's endpoints. Never throws: a server that cannot be reached is a refusal `offline`.
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 */
export async function ask(path, body = {}) {
  return send(base + path, body);
}

/**
 * @param {string} url
 * @param {object} body
 * @returns {Promise<Answer>}
 */
export async function send(url, body) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(30_000),
    });
    const answer = await response.json();
    return response.ok ? { ok: true, body: answer } : { ok: false, code: String(answer.code), certain: response.status < 500 };
  } catch {
    return { ok: false, code: "offline", certain: false };
  }
}

/**
 * Runs `work` when the button is pressed or its form sent, and not twice at a time. The button stays where it is, so that the
 * keyboard's focus does, too.
 * @param {string} selector a button or a form
 * @param {() => Promise<void>} work
 */
export function on(selector, work) {
  const element = one(selector);
  const button = element instanceof HTMLFormElement ? element.querySelector("button") : element;
  let busy = false;
  // Until somebody listens it cannot be pressed: nothing would come of it, and nothing would say so.
  button?.removeAttribute("disabled");
  const run = async () => {
    if (busy) return;
    busy = true;
    button?.setAttribute("aria-disabled", "true");
    say("working");
    try {
      await work();
    } catch {
      say("failed", true);
    } finally {
      busy = false;
      button?.removeAttribute("aria-disabled");
    }
  };
  element.addEventListener(element instanceof HTMLFormElement ? "submit" : "click", (event) => {
    event.preventDefault();
    void run();
  });
}

/**
 * Shows the end of the visit in the place of everything else, and puts the focus there.
 * @param {string} title
 * @param {string} text
 * @param {string | null} [href] none where there is no way back
 */
export function finish(title, text, href) {
  for (const part of main.querySelectorAll("[data-part]")) if (part instanceof HTMLElement) part.hidden = true;
  say("");
  one("#end-title").textContent = words[title] ?? "";
  one("#end-text").textContent = words[text] ?? "";
  const link = one("#end-link");
  link.hidden = typeof href !== "string";
  if (typeof href === "string") link.setAttribute("href", href);
  one("#end").hidden = false;
  document.title = words[title] ?? document.title;
  one("#end-title").focus();
}

/** Writes until when the page can be used, in the visitor's own time. */
export function tellExpiry() {
  const expires = fact("expires");
  const place = main.querySelector("#valid");
  if (expires === undefined || place === null) return;
  const time = new Date(expires).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  place.textContent = (words["valid_until"] ?? "").replace("{time}", time);
}
