import { checkValue, type LockManager, type OptionRule, readOptions, rule } from '@holdfast/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** The lock manager of `holdfastPlugin`. */
    readonly locks: LockManager;
  }
  interface FastifyRequest {
    /** The same, for handlers that have no instance at hand. */
    readonly locks: LockManager;
  }
}

/** Options of `holdfastPlugin`. */
export interface HoldfastPluginOptions {
  /** The manager, which stays yours to close; or a function that makes one, such as `() => connect()`, which the plugin closes with the server. */
  readonly manager: LockManager | (() => LockManager | PromiseLike<LockManager>);
  /**
   * Whether the manager is closed when the server has closed.
   * @default true for a function, false for a manager
   */
  readonly close?: boolean | undefined;
  /**
   * How long holders may finish when the server closes, in milliseconds: work that outlives its request. From 0 to 2^31-1.
   * @default 0
   */
  readonly drainMs?: number | undefined;
}

const lockManager: OptionRule = (value) =>
  rule.manager(value) === null ? null : 'must be a lock manager, or a function that makes one, such as () => connect()';
/** What Fastify itself takes beside the options of a plugin. */
const fastifys: OptionRule = () => null;
const rules = {
  manager: ((value) => (typeof value === 'function' ? null : lockManager(value))) as OptionRule,
  close: rule.boolean,
  drainMs: rule.duration(),
  prefix: fastifys,
  logLevel: fastifys,
  logSerializers: fastifys,
};

/**
 * A plugin of Fastify 5: the server and its requests get `locks`, on whichever level the plugin was registered, and the manager is closed after the last
 * request.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option, or a function that gave no manager; what the function throws. Fastify
 *   reports either by `ready()`. It refuses another version of Fastify, and a second registration, by errors of its own
 */
export async function holdfastPlugin(fastify: FastifyInstance, options: HoldfastPluginOptions): Promise<void> {
  const { manager: source, close = typeof source === 'function', drainMs } = readOptions('holdfastPlugin', options, rules, ['manager']);
  const manager = typeof source === 'function' ? await source() : source;
  checkValue('holdfastPlugin', 'manager', manager, lockManager);
  // Behind the last request, and before Fastify says that it has closed.
  if (close) fastify.addHook('onClose', () => manager.close({ drainMs }));
  fastify.decorate('locks', manager);
  fastify.decorateRequest('locks', {
    getter(this: FastifyRequest) {
      return this.server.locks;
    },
  });
}

// What fastify-plugin would add: decorators reach the instance that registers, and the version is checked.
Object.assign(holdfastPlugin, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@holdfast/fastify',
  [Symbol.for('plugin-meta')]: { name: '@holdfast/fastify', fastify: '5.x' },
});
