import type { Html } from "./html.ts";
import { html } from "./html.ts";
import type { Language, Say, Word } from "./language.ts";
import type { Theme } from "./theme.ts";

/** What every page is made of. */
export interface PageParts {
  readonly theme: Theme;
  readonly language: Language;
  readonly say: Say;
  readonly title: string;
  readonly main: Html;
  /** The page's module below `/hosted/assets/`; none for a page that only says something. */
  readonly script?: string;
  /** The session's own stylesheet. */
  readonly themePath?: string;
}

/**
 * Only what comes from this origin, no inline script or style, and nobody may frame the page (clickjacking). The return link is a
 * navigation, which no directive here forbids.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

/** A whole page. */
export function layout({ theme, language, say, title, main, script, themePath }: PageParts): string {
  const brand =
    theme.name === ""
      ? undefined
      : html`<header><span class="logo" aria-hidden="true">${theme.initials}</span><p>${say("service_of", { name: theme.name })}</p></header>`;
  const page = html`<!doctype html>
<html lang="${language}" data-scheme="${theme.scheme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${theme.name === "" ? title : `${title} – ${theme.name}`}</title>
<link rel="stylesheet" href="/hosted/assets/pages.css">
${themePath === undefined ? undefined : html`<link rel="stylesheet" href="${themePath}">`}
${script === undefined ? undefined : html`<script defer src="/hosted/assets/simplewebauthn.js"></script><script type="module" src="/hosted/assets/${script}"></script>`}
</head>
<body>
${brand}
${main}
</body>
</html>
`;
  return page.html;
}

/** A page that only says something: a heading, a sentence, and perhaps the way back. */
export function messageMain(title: string, text: string, link?: { readonly href: string; readonly text: string }): Html {
  return html`<main>
<h1>${title}</h1>
<p>${text}</p>
${link === undefined ? undefined : html`<p><a class="button" href="${link.href}">${link.text}</a></p>`}
</main>`;
}

/** The texts that a page's script says, for an attribute of the page: scripts in the page itself are forbidden. */
export function wordsFor(say: Say, words: readonly Word[]): string {
  return JSON.stringify(Object.fromEntries(words.map((word) => [word, say(word)])));
}

/** How a visit ends: empty and out of sight until the script has something to say. */
export function endPart(goBack?: string): Html {
  return html`<section id="end" hidden>
<h1 id="end-title" tabindex="-1"></h1>
<p id="end-text"></p>
<p><a id="end-link" class="button" href="/hosted" hidden>${goBack ?? ""}</a></p>
</section>`;
}

/** What a browser needs to be told in words when it runs no scripts. */
export function noScript(say: Say): Html {
  return html`<noscript><p class="status bad">${say("no_script")}</p></noscript>`;
}
