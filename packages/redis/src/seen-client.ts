import { hasMethods } from '@holdfast/core/backend';

/** What people pass in place of a client, and what to do about each. The first that fits is what is said. */
const MISTAKEN: readonly (readonly [fits: (value: object) => boolean, said: string])[] = [
  [(value) => hasMethods(value, 'then'), 'a promise: await the client first'],
  [(value) => Array.isArray(value), 'a list: pass one client, or several to Redlock'],
  [(value) => value instanceof URL, 'an address: an address goes with url'],
  [(value) => hasMethods(value, 'exec') && !hasMethods(value, 'connect'), 'a pipeline or a transaction: pass the client that made it'],
  [(value) => hasMethods(value, 'execute', 'sendCommand') && 'totalClients' in value, 'a pool of redis: pass a client, createClient()'],
  [
    (value) => hasMethods(value, 'sendCommand', 'disconnect') && !hasMethods(value, 'destroy'),
    'a client of redis 4 or older: use redis 5 or later',
  ],
  [
    (value) => hasMethods(value, 'internal_send_command') || hasMethods(value, 'send_command'),
    'a client of redis 3 or older: use redis 5 or later',
  ],
  [
    (value) => hasMethods(value, 'sendCommand', 'multi') && !hasMethods(value, 'connect'),
    'a client of redis in its legacy mode: pass the client of which legacy() was called',
  ],
  [
    (value) => hasMethods(value, 'customCommand', 'invokeScript'),
    'a client of @valkey/valkey-glide before 2.3, which hears no channels that are added later: use 2.3 or later',
  ],
  [(value) => hasMethods(value, 'createClient') || hasMethods(value, 'Redis'), 'the module of a driver: pass a client that it makes'],
  [
    (value) => hasMethods(value, 'evalsha', 'pipeline') && !hasMethods(value, 'subscribe', 'duplicate'),
    'a client of @upstash/redis, which sends a command again without a report: use the rediss:// address of the database, by another driver',
  ],
  [
    (value) => ['host', 'port', 'socket', 'url', 'addresses'].some((name) => Object.hasOwn(value, name)),
    'options: pass a client that is made with them',
  ],
];

/** What a value looks like that is no client which we know. A value is never shown: it may hold a password. */
export function seenAs(value: unknown): string {
  if (typeof value === 'string') return 'a string: an address goes with url';
  if (typeof value === 'function') return 'a function: call it, and pass what it makes';
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : `a value of the type ${typeof value}`;
  return MISTAKEN.find(([fits]) => fits(value))?.[1] ?? `an object of the class ${classOf(value)}, which has no driver that we know`;
}

function classOf(value: object): string {
  try {
    const { constructor } = value;
    return typeof constructor === 'function' && /^\w{1,64}$/.test(constructor.name) ? constructor.name : 'Object';
  } catch {
    return 'Object';
  }
}
