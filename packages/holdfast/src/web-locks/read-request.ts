import type { WebLock, WebLockCallback, WebLockMode } from './types.js';

/** One call of `request`, its arguments converted as Web IDL says. */
export interface WebLockRequest {
  readonly name: string;
  readonly mode: WebLockMode;
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly signal: AbortSignal | undefined;
  readonly callback: WebLockCallback<unknown, WebLock | null>;
}

/** An error of the standard. */
export function domError(name: 'NotSupportedError' | 'AbortError' | 'InvalidStateError', message: string, cause?: unknown): DOMException {
  return new DOMException(message, cause === undefined ? { name } : { name, cause });
}

/**
 * Reads the arguments: `(name, callback)` or `(name, options, callback)`, by their number.
 *
 * @throws TypeError, or DOMException NotSupportedError, in the order in which the standard looks
 * @throws the reason of a signal that has been aborted already
 */
export function readRequest(args: readonly unknown[]): WebLockRequest {
  if (args.length < 2) throw new TypeError(`request needs a name and a callback; it was given ${args.length} argument(s)`);
  // A Symbol is refused by the conversion, as it should be.
  const name = `${args[0] as string}`;
  const options = args.length === 2 ? {} : dictionary(args[1]);
  const callback = args.length === 2 ? args[1] : args[2];
  const ifAvailable = Boolean(options['ifAvailable']);
  const mode = modeOf(options['mode']);
  const signal = signalOf(options['signal']);
  const steal = Boolean(options['steal']);
  if (typeof callback !== 'function') throw new TypeError('the callback must be a function');
  if (name.startsWith('-')) throw domError('NotSupportedError', 'a name must not begin with "-"');
  if (steal && ifAvailable) throw domError('NotSupportedError', 'steal and ifAvailable exclude each other');
  if (steal && mode !== 'exclusive') throw domError('NotSupportedError', 'steal goes with the mode "exclusive" only');
  if (signal !== undefined && (steal || ifAvailable))
    throw domError('NotSupportedError', 'signal goes neither with steal nor with ifAvailable');
  signal?.throwIfAborted();
  return { name, mode, ifAvailable, steal, signal, callback: callback as WebLockRequest['callback'] };
}

function dictionary(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('the options must be an object');
  return value as Readonly<Record<string, unknown>>;
}

function modeOf(value: unknown): WebLockMode {
  if (value === undefined) return 'exclusive';
  const mode = `${value as string}`;
  if (mode !== 'exclusive' && mode !== 'shared') throw new TypeError('mode must be "exclusive" or "shared"');
  return mode;
}

function signalOf(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || !('aborted' in value) || !('addEventListener' in value)) {
    throw new TypeError('signal must be an AbortSignal');
  }
  return value as AbortSignal;
}
