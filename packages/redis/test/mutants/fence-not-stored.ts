import type { Redis } from 'ioredis';

const STORES_THE_RAISED_FENCE = /^ *call\('(?:SET', key, fence|MSET', unpack\(written\))\)\n/gm;

/**
 * Breaks "tokens rise over a clock that is set back": the fence is raised above the last one and not stored, so that the next one is
 * drawn as if there had been none. While the server's clock runs ahead of its tokens nobody sees a difference.
 */
export function forgetRaisedFences(client: Redis): { readonly client: Redis; readonly changes: () => number } {
  let changes = 0;
  const broken = new Proxy(client, {
    get(target, key) {
      // The whole text travels each time.
      if (key === 'evalsha') return () => Promise.reject(new Error('NOSCRIPT No matching script.'));
      if (key === 'eval') {
        return (source: string, ...rest: [number, ...string[]]) => {
          if (source.search(STORES_THE_RAISED_FENCE) >= 0) changes += 1;
          return target.eval(source.replace(STORES_THE_RAISED_FENCE, ''), ...rest);
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { client: broken, changes: () => changes };
}
