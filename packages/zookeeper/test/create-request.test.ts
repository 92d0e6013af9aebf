import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { createRequest, encodeAcl, type NodeMode, readCreated } from '../src/create-request.js';

interface DriverRequest {
  toBuffer(): Buffer;
}

/** The driver's own encoder, which has the older request: the same but for its number. */
const jute = createRequire(import.meta.url)('node-zookeeper-client/lib/jute') as {
  readonly Request: new (header: object, payload: object) => DriverRequest;
  readonly protocol: Readonly<Record<'RequestHeader' | 'CreateRequest', new () => Record<string, unknown>>>;
  readonly data: Readonly<Record<'ACL' | 'Id', new (...values: readonly unknown[]) => object>>;
};
const CREATE = 1;
const CREATE2 = 15;

function byDriver(xid: number, path: string, data: Buffer, acl: readonly (readonly [number, string, string])[], flags: number): Buffer {
  const header = Object.assign(new jute.protocol.RequestHeader(), { xid, type: CREATE });
  const entries = acl.map(([perms, scheme, id]) => new jute.data.ACL(perms, new jute.data.Id(scheme, id)));
  return new jute.Request(header, Object.assign(new jute.protocol.CreateRequest(), { path, data, acl: entries, flags })).toBuffer();
}

const modes: readonly (readonly [NodeMode, number])[] = [
  ['persistent', 0],
  ['ephemeral', 1],
  ['ephemeral-sequential', 3],
];

describe('a request to make a node', () => {
  it.each(modes)('is encoded as the driver encodes it (%s)', (mode, flags) => {
    const acl = [
      [31, 'world', 'anyone'],
      [1, 'digest', 'naïve:Ω='],
    ] as const;
    const data = Buffer.from('{"label":"🔒"}');
    const encoded = encodeAcl(acl.map(([permissions, scheme, id]) => ({ permissions, scheme, id })));
    const request = createRequest('/locks/naïve%20🔒/x-', data, encoded, mode);
    request.header.xid = 77;
    const expected = byDriver(77, '/locks/naïve%20🔒/x-', data, acl, flags);
    // The type of the request stands behind length and number.
    expect(expected.readInt32BE(8)).toBe(CREATE);
    expected.writeInt32BE(CREATE2, 8);
    expect(request.toBuffer().toString('hex')).toBe(expected.toString('hex'));
  });
});

describe('its answer', () => {
  const path = Buffer.from('/locks/a/x-0000000042');
  const frame = Buffer.alloc(4 + 16 + 4 + path.length + 68);
  frame.writeInt32BE(path.length, 20);
  path.copy(frame, 24);
  const statAt = 24 + path.length;
  frame.writeBigUInt64BE(0x1_0000_0007n, statAt);
  frame.writeBigInt64BE(1_700_000_000_001n, statAt + 16);
  frame.writeBigInt64BE(1_700_000_000_002n, statAt + 24);
  frame.writeInt32BE(3, statAt + 32);
  frame.writeBigUInt64BE(0xf100_0000_0000_0009n, statAt + 44);

  it('is the path and the record of the node', () => {
    expect(readCreated(frame)).toEqual({
      path: '/locks/a/x-0000000042',
      stat: {
        czxid: 0x1_0000_0007n,
        createdAtMs: 1_700_000_000_001,
        modifiedAtMs: 1_700_000_000_002,
        version: 3,
        ephemeralOwner: 0xf100_0000_0000_0009n,
      },
    });
  });

  it.each([20, 23, 30, statAt, statAt + 8, statAt + 51])('is refused when it ends after %i bytes', (bytes) => {
    expect(() => readCreated(frame.subarray(0, bytes))).toThrow(RangeError);
  });

  it.each([-1, 0x7fff_ffff])('is refused with a path of %i bytes', (length) => {
    const strange = Buffer.from(frame);
    strange.writeInt32BE(length, 20);
    expect(() => readCreated(strange)).toThrow(RangeError);
  });
});
