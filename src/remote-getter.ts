/** What is fetched with an organisation's key. */
export type Getter = (path: string) => Promise<{ readonly status: number; readonly body: Buffer }>;

export interface RemoteGetterDeps {
  readonly url: string;
  readonly apiKey: string;
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** @param ms milliseconds */
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Told once for every wait, of however many requests. */
  readonly onWait: (wait: { readonly seconds: number; readonly status: number }) => void;
}

/** How often one path is asked for before its last refusal is the answer. */
const TRIES = 100;
const MAX_WAIT_SECONDS = 60;

/**
 * Fetches paths of a running server. Where it says that the key's quota is used up (429) or that it cannot answer now (503), nothing more
 * is asked for as long as its `Retry-After` says, by any of the requests under way: each would only be refused as well.
 */
export function createRemoteGetter({ url, apiKey, fetch, sleep, onWait }: RemoteGetterDeps): Getter {
  let pause: Promise<unknown> | undefined;
  const waitFor = (seconds: number, status: number): void => {
    if (pause !== undefined) return;
    onWait({ seconds, status });
    pause = sleep(1_000 * seconds).finally(() => (pause = undefined));
  };
  return async (path) => {
    for (let attempt = 1; ; attempt++) {
      await pause;
      const answer = await fetch(new URL(path, url), {
        headers: { "x-api-key": apiKey },
        redirect: "error",
        signal: AbortSignal.timeout(30_000),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      if (![429, 503].includes(answer.status) || attempt === TRIES) return { status: answer.status, body };
      waitFor(Math.min(MAX_WAIT_SECONDS, Math.max(1, Number(answer.headers.get("retry-after") ?? 1) || 1)), answer.status);
    }
  };
}
