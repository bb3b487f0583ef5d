// Passkeys, by the library @simplewebauthn/browser, whose own bundle the page has loaded before this module runs.
import { say } from "./page.js";

/** @returns {any} */
const library = () => Reflect.get(globalThis, "SimpleWebAuthnBrowser");

/**
 * Makes a passkey as the server asks for it.
 * @param {object} options
 * @returns {Promise<object | undefined>} undefined when it came to nothing, which has been said then
 */
export function makePasskey(options) {
  return attempt(() => library().startRegistration({ optionsJSON: options }));
}

/**
 * Has one of the visitor's passkeys sign the server's challenge.
 * @param {object} options
 * @returns {Promise<object | undefined>} undefined when it came to nothing, which has been said then
 */
export function usePasskey(options) {
  return attempt(() => library().startAuthentication({ optionsJSON: options }));
}

/**
 * @param {() => Promise<object>} ceremony
 * @returns {Promise<object | undefined>}
 */
async function attempt(ceremony) {
  // The library could not be loaded: that says nothing about the browser.
  if (library() === undefined) {
    location.reload();
    return undefined;
  }
  if (!library().browserSupportsWebAuthn()) {
    say("no_passkeys", true);
    return undefined;
  }
  say("passkey_waiting");
  try {
    return await ceremony();
  } catch (error) {
    // The browser does not tell a refusal of the person from one of the device, so that pages learn nothing about either.
    const known = error instanceof Error && error.name === "InvalidStateError";
    say(known ? "passkey_known" : "passkey_refused", true);
    return undefined;
  }
}
