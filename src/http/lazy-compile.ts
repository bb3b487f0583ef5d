import type { FastifySchemaCompiler, RouteOptions } from "fastify";
import type { FastifySerializerCompiler } from "fastify/types/schema.js";
import type { Logger } from "pino";
import { invariant } from "#kernel/assert.ts";
import type { HttpServer } from "./contract.ts";

type Validate = ReturnType<FastifySchemaCompiler<unknown>>;

/** How long the event loop is left to requests after a schema was compiled in the background, ms. */
const PAUSE_MS = 20;

/** Compiles schemas when they are first needed, or one by one in the background once the server listens. */
export interface LazyCompiler {
  /** Makes a route lazy. Its schemas may refer to schemas added to the server itself only. */
  postpone(route: RouteOptions): void;
  /** Compiles what is left, now. @throws Error on a schema that does not compile. */
  compileAll(): void;
}

const compilers = new WeakMap<object, LazyCompiler>();

/**
 * Compiling the validators of all routes takes longer than all the rest of the start, so it is put off: the server answers its first
 * request while most of them are not yet compiled. Answers are sent as text (ADR 8), so that serialisers would be compiled for
 * nothing: two seconds of the thread, and in every turn of a busy start a piece of them.
 * Fastify builds its compilers for the first route that is not postponed; there must be one.
 */
export function createLazyCompiler(app: HttpServer, logger: Logger): LazyCompiler {
  const pending: (() => unknown)[] = [];

  const validatorCompiler: FastifySchemaCompiler<unknown> = (route) => {
    const compile = once((): Validate => {
      invariant(app.validatorCompiler !== undefined, "no route made Fastify build its validator compiler");
      return app.validatorCompiler(route);
    });
    pending.push(compile);
    const lazy: Validate = (data) => {
      const validate = compile();
      const outcome = validate(data);
      // Ajv leaves what it found on the function; Fastify reads it there.
      lazy.errors = validate.errors ?? null;
      return outcome;
    };
    return lazy;
  };

  const serializerCompiler: FastifySerializerCompiler<unknown> = () => (data) => JSON.stringify(data);

  let closed = false;
  /** One schema at a time, so that requests are answered in between. */
  function warmUp(): void {
    const compile = pending.shift();
    if (compile === undefined || closed) return;
    try {
      compile();
    } catch (error) {
      logger.error({ error: error instanceof Error ? error.message : "unknown" }, "a schema does not compile");
    }
    setTimeout(warmUp, PAUSE_MS).unref();
  }
  app.addHook("onListen", (done) => {
    setImmediate(warmUp);
    done();
  });
  app.addHook("onClose", (_instance, done) => {
    closed = true;
    done();
  });

  const compiler: LazyCompiler = {
    postpone(route) {
      route.validatorCompiler = validatorCompiler;
      route.serializerCompiler = serializerCompiler;
    },
    compileAll() {
      for (const compile of pending.splice(0)) compile();
    },
  };
  compilers.set(app, compiler);
  return compiler;
}

/**
 * Compiles every schema of a server whose routes are registered. For tests: a schema that does not
 * compile should fail there and not on the first request.
 * @throws Error on such a schema
 */
export async function compileSchemas(app: HttpServer): Promise<void> {
  await app.ready();
  compilers.get(app)?.compileAll();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
