import { Buffer } from 'node:buffer';
import { LockArgumentError } from './errors.js';

/** The longest duration: what a Node timer and every store can count. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

/** The longest that something is remembered: ten years. No timer counts it, only the store's clock. */
export const MAX_RETENTION_MS = 315_576_000_000;

/** The longest label, in bytes of UTF-8: what a holder says of itself is kept by the store, and comes with each answer about it. */
export const MAX_LABEL_BYTES = 1024;

/** Looks at one value: null when it is fine, else the rule that it breaks ("must be ..."). */
export interface OptionRule {
  (value: unknown): string | null;
  /** The value must never be shown. */
  readonly secret?: boolean;
}

/** Rules for the options of a backend, so that all say the same thing in the same words. */
export const rule = {
  /** An integer number of milliseconds from `min` (0), to `max` (2^31-1); Infinity where allowed. */
  duration({
    min = 0,
    max = MAX_DURATION_MS,
    infinity = false,
  }: {
    readonly min?: number;
    readonly max?: number;
    readonly infinity?: boolean;
  } = {}): OptionRule {
    const text = `must be an integer number of milliseconds from ${min} to ${max}${infinity ? ', or Infinity' : ''}`;
    return (value) =>
      (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) ||
      (infinity && value === Number.POSITIVE_INFINITY)
        ? null
        : text;
  },
  /** An integer from `min` to `max`. */
  integer(min: number, max = Number.MAX_SAFE_INTEGER): OptionRule {
    return (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
        ? null
        : `must be an integer from ${min} to ${max}`;
  },
  /** true or false. */
  boolean: ((value) => (typeof value === 'boolean' ? null : 'must be true or false')) as OptionRule,
  /** A string of any length. */
  string: ((value) => (typeof value === 'string' ? null : 'must be a string')) as OptionRule,
  /** A string of at most so many bytes of UTF-8. */
  text(maxBytes: number): OptionRule {
    return (value) =>
      typeof value !== 'string'
        ? 'must be a string'
        : // Each UTF-16 unit is at most 3 bytes, so a short one needs no count.
          value.length <= maxBytes / 3 || Buffer.byteLength(value) <= maxBytes
          ? null
          : `must be at most ${maxBytes} bytes of UTF-8`;
  },
  /** A function. */
  function: ((value) => (typeof value === 'function' ? null : 'must be a function')) as OptionRule,
  /** An object or a function. */
  object: ((value) =>
    (typeof value === 'object' || typeof value === 'function') && value !== null ? null : 'must be an object') as OptionRule,
  /** An array. */
  array: ((value) => (Array.isArray(value) ? null : 'must be an array')) as OptionRule,
  /** One of these values. */
  oneOf(...values: readonly (string | number | boolean)[]): OptionRule {
    return (value) => (values.includes(value as string) ? null : `must be one of ${values.map((v) => JSON.stringify(v)).join(', ')}`);
  },
  /** An AbortSignal. */
  signal: ((value) => (isSignal(value) ? null : 'must be an AbortSignal')) as OptionRule,
  /** A lock manager: what has an id. */
  manager: ((value) =>
    typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string'
      ? null
      : 'must be a lock manager') as OptionRule,
  /** The same rule for a value that must not be shown: a URL, a password. */
  secret(inner: OptionRule): OptionRule {
    return Object.assign((value: unknown) => inner(value), { secret: true });
  },
};

/**
 * Reads an options object: each known option once, be it the object's own or inherited, a value or a getter, enumerable
 * or not. What was read is checked and is what counts from then on, so that nobody can change it behind the check.
 *
 * @param rules a rule for each known option; `undefined` is always fine
 * @param required options that cannot be left out
 * @returns a plain object with the options that were given, and nothing else
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT naming the option, the value given and the rule; for an unknown option too
 */
export function readOptions<O extends object>(
  where: string,
  options: O | undefined,
  rules: Readonly<Record<string, OptionRule>>,
  required: readonly (keyof O & string)[] = [],
): Readonly<O> {
  if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options))) {
    throw new LockArgumentError(`${where}: options is ${show(options)}; it must be an object`, { option: 'options' });
  }
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  for (const key in given) {
    if (!Object.hasOwn(rules, key) && !isOfEveryObject(given, key)) throw unknownOption(where, key, Object.keys(rules));
  }
  const read: Record<string, unknown> = {};
  for (const key of keysOf(rules)) {
    const value = given[key];
    if (value === undefined) continue;
    checkValue(where, key, value, rules[key] as OptionRule);
    read[key] = value;
  }
  for (const key of required) if (read[key] === undefined) checkValue(where, key, undefined, rules[key] as OptionRule);
  return read as O;
}

// Each acquire reads options, by the same few sets of rules.
const knownKeys = new WeakMap<object, readonly string[]>();

function keysOf(rules: object): readonly string[] {
  let keys = knownKeys.get(rules);
  if (keys === undefined) {
    keys = Object.keys(rules);
    knownKeys.set(rules, keys);
  }
  return keys;
}

/** Of options that were read: those that these rules are for. */
export function pickOptions<O extends object>(options: O, rules: Readonly<Partial<Record<keyof O, OptionRule>>>): Partial<O> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => Object.hasOwn(rules, key))) as Partial<O>;
}

/** What some program has added to Object.prototype is nobody's option. */
function isOfEveryObject(options: object, key: string): boolean {
  return !Object.hasOwn(options, key) && Object.hasOwn(Object.prototype, key);
}

/** Checks one value against one rule. @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function checkValue(where: string, option: string, value: unknown, check: OptionRule): void {
  const broken = check(value);
  if (broken === null) return;
  const given = check.secret ? 'given' : show(value);
  throw new LockArgumentError(`${where}: ${option} is ${given}; it ${broken}`, { option });
}

function unknownOption(where: string, key: string, known: readonly string[]): LockArgumentError {
  const near = known.find((name) => isNear(key, name));
  const hint = near === undefined ? `known options are ${known.join(', ') || 'none'}` : `did you mean ${near}?`;
  return new LockArgumentError(`${where}: unknown option ${JSON.stringify(key.slice(0, 60))}; ${hint}`, { option: key });
}

/** `ttl` and `ttlMS` for `ttlMs`, `label ` for `label`, `wiatMs` for `waitMs`: what people type. */
function isNear(given: string, known: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z]|ms$|timeout$|s$/g, '');
  const [a, b] = [plain(given), plain(known)];
  return a.length > 2 && (a === b || a.startsWith(b) || b.startsWith(a) || isSlip(a, b));
}

/** One letter too many, one too few, another one, or two that have changed places. */
function isSlip(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (short.length < 4 || long.length - short.length > 1) return false;
  let at = 0;
  while (short[at] === long[at]) at += 1;
  if (short.length < long.length) return short.slice(at) === long.slice(at + 1);
  return (
    short.slice(at + 1) === long.slice(at + 1) ||
    (short[at] === long[at + 1] && short[at + 1] === long[at] && short.slice(at + 2) === long.slice(at + 2))
  );
}

const SIGNAL_METHODS = ['addEventListener', 'removeEventListener', 'throwIfAborted'] as const;

/** Also one of another realm, as tests have them; not one of a library from before Node had its own, which lacks parts of it. */
function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const signal = value as Partial<Record<'aborted' | (typeof SIGNAL_METHODS)[number], unknown>>;
  return typeof signal.aborted === 'boolean' && SIGNAL_METHODS.every((method) => typeof signal[method] === 'function');
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
