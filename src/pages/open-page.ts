import { html } from "./html.ts";
import type { Language } from "./language.ts";
import { sayIn } from "./language.ts";
import { endPart, layout, messageMain, wordsFor } from "./layout.ts";
import { themeOf } from "./theme.ts";

/** The page that a link leads to. It knows nobody yet: its script exchanges the token for the session's cookie. */
export function openPage(language: Language): string {
  const say = sayIn(language);
  const words = wordsFor(say, ["please_wait", "ended_title", "ended_text", "trouble_title", "trouble_text"]);
  const main = html`<main data-words="${words}">
<h1 data-part="">${say("open_title")}</h1>
<p id="status" class="status" role="status" aria-live="polite"></p>
<noscript><p>${say("no_script")}</p></noscript>
${endPart()}
</main>`;
  return layout({ theme: themeOf(undefined), language, say, title: say("open_title"), main, script: "open.js" });
}

/** For whoever comes without a session that is good: by an old link, a bookmark, or from another site. */
export function endedPage(language: Language): string {
  const say = sayIn(language);
  const title = say("ended_title");
  return layout({ theme: themeOf(undefined), language, say, title, main: messageMain(title, say("ended_text")) });
}

/** For when the store or the keys are away. */
export function troublePage(language: Language): string {
  const say = sayIn(language);
  const title = say("trouble_title");
  return layout({ theme: themeOf(undefined), language, say, title, main: messageMain(title, say("trouble_text")) });
}
