import { LockArgumentError } from '@holdfast/core';
import { Inject } from '@nestjs/common';

/**
 * A decorator for methods that return a promise, and whose first parameters are `A`. What their callers see does not change.
 *
 * @typeParam M - the method
 */
export type MethodDecoratorOf<A extends unknown[]> = <M extends (...args: never[]) => Promise<unknown>>(
  target: object,
  property: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & (Parameters<M> extends [...A, ...unknown[]] ? unknown : never),
) => void;

type Method = (this: object, ...args: unknown[]) => unknown;

/** What reflect-metadata, which Nest loads, adds to Reflect. */
interface MetadataReflect {
  readonly getOwnMetadataKeys?: (target: object) => readonly unknown[];
  readonly getOwnMetadata: (key: unknown, target: object) => unknown;
  readonly defineMetadata: (key: unknown, value: unknown, target: object) => void;
}

/**
 * Puts something around a method: what it needs is injected into a property of the object, so that Nest itself says what is missing.
 *
 * @param name the decorator's, for messages
 * @param token what is injected
 * @param around calls the method, or does not
 */
export function wrapMethod<S>(
  name: string,
  token: symbol,
  around: (service: S, target: object, args: readonly unknown[], call: () => unknown) => Promise<unknown>,
): (target: object, property: string | symbol, descriptor: { value?: unknown }) => void {
  return (target, property, descriptor) => {
    // Decorators of the standard get the method, and no descriptor.
    if (typeof descriptor !== 'object' || typeof property === 'object') {
      throw new LockArgumentError(`${name} is a decorator as Nest has them: TypeScript needs experimentalDecorators`, { option: 'method' });
    }
    const method = descriptor.value;
    const where = `${name}: ${typeof target === 'function' ? target.name : target.constructor.name}.${String(property)}`;
    if (typeof target === 'function' || typeof method !== 'function') {
      throw new LockArgumentError(`${where} must be a method of objects that Nest makes, neither static nor an accessor`, {
        option: 'method',
      });
    }
    const original = method as Method;
    Inject(token)(target, token);
    const wrapped: Method = async function (...args) {
      const service = (this as Readonly<Record<symbol, S | undefined>> | undefined)?.[token];
      if (service === undefined) {
        throw new LockArgumentError(`${where} was called on an object that Nest has not made, so it has no locks`, { option: 'this' });
      }
      return await around(service, this, args, () => original.apply(this, args));
    };
    copyMetadata(original, wrapped);
    for (const own of ['name', 'length'] as const) Object.defineProperty(wrapped, own, { value: original[own], configurable: true });
    descriptor.value = wrapped;
  };
}

/** What other decorators have noted on the method, such as `@Cron`, stands on its wrapper too: their order does not matter. */
function copyMetadata(from: object, to: object): void {
  const reflect = Reflect as unknown as MetadataReflect;
  for (const key of reflect.getOwnMetadataKeys?.(from) ?? []) reflect.defineMetadata(key, reflect.getOwnMetadata(key, from), to);
}
