/**
 * What a backend that is made of several Redis servers builds on: one connection that settles every command, its
 * channel of wake-ups, and errors without secrets. For `@holdfast/redlock`; not meant for applications, and not
 * covered by semantic versioning beyond the packages of this repository.
 */
export { type ClientSource, clientSource } from './client-source.js';
export { letterOf, letterOfKind, type ModeLetter } from './key-space.js';
export type { RedisContact, RedisLink } from './link.js';
export type { RedisDriver } from './open-driver.js';
export type { RedisClient } from './port-of.js';
export { unavailable, verdictOf } from './redis-error.js';
export { redisBackendRules, resolveRedisOptions } from './redis-options.js';
export type { RedisStep } from './redis-step.js';
export { escapeGlob, scanKeys } from './scan-names.js';
export { WakeChannel, type WakeListener } from './wake-channel.js';
export { warnOfForeign } from './warn-of-foreign.js';
