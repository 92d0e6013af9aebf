import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { encodeAcl } from '../src/create-request.js';
import { transactionRequest } from '../src/transaction-request.js';
import { RefusalError } from '../src/zookeeper-error.js';

interface Encoded {
  toBuffer(): Buffer;
}

/** The driver's own encoder. */
const jute = createRequire(import.meta.url)('node-zookeeper-client/lib/jute') as {
  readonly Request: new (header: object, payload: object) => Encoded;
  readonly TransactionRequest: new (steps: readonly object[]) => object;
  readonly protocol: Readonly<Record<'RequestHeader', new () => object>>;
  readonly data: Readonly<Record<'ACL' | 'Id', new (...values: readonly unknown[]) => object>>;
};
const MULTI = 14;

it('a request for a transaction is encoded as the driver encodes it', () => {
  const data = Buffer.from('{"label":"🔒"}');
  const request = transactionRequest(
    [
      { create: '/locks/naïve', data, mode: 'persistent' },
      { remove: '/locks/naïve' },
      { create: '/locks/x-', data, mode: 'ephemeral-sequential' },
    ],
    encodeAcl([{ permissions: 31, scheme: 'world', id: 'anyone' }]),
  );
  request.header.xid = 77;
  const acls = [{ toRecord: () => new jute.data.ACL(31, new jute.data.Id('world', 'anyone')) }];
  const expected = new jute.Request(
    Object.assign(new jute.protocol.RequestHeader(), { xid: 77, type: MULTI }),
    new jute.TransactionRequest([
      { type: 1, path: '/locks/naïve', data, acls, mode: 0 },
      { type: 2, path: '/locks/naïve', version: -1 },
      { type: 1, path: '/locks/x-', data, acls, mode: 3 },
    ]),
  ).toBuffer();
  expect(request.toBuffer().toString('hex')).toBe(expected.toString('hex'));
});

describe('its answer', () => {
  const { read } = transactionRequest([], Buffer.alloc(0));
  const step = (type: number, isEnd: boolean, ...rest: readonly number[]): Buffer => {
    const ints = Buffer.alloc(4 + 4 * rest.length);
    for (const [index, value] of rest.entries()) ints.writeInt32BE(value, 4 + 4 * index);
    const head = Buffer.alloc(5);
    head.writeInt32BE(type, 0);
    head.writeUInt8(isEnd ? 1 : 0, 4);
    return Buffer.concat([head, ints]);
  };
  const frameOf = (...steps: readonly Buffer[]): Buffer => Buffer.concat([Buffer.alloc(20), ...steps, step(-1, true)]);

  it('is the code of the step that was refused, in front of which all say 0', () => {
    const refused = frameOf(step(-1, false, 0), step(-1, false, 0), step(-1, false, -102), step(-1, false, -2));
    expect(() => read(refused)).toThrow(RefusalError);
    expect(() => read(refused)).toThrow('NO_AUTH');
  });

  it('is nothing where all was done', () => {
    expect(() => read(frameOf(step(2, false), step(2, false)))).not.toThrow();
  });

  it.each([20, 23, 30, 36])('is refused when it ends after %i bytes', (bytes) => {
    expect(() => read(frameOf(step(-1, false, 0), step(-1, false, -102)).subarray(0, bytes))).toThrow(RangeError);
  });
});
