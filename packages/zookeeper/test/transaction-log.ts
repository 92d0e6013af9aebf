/** A node that a log makes, with the counter that its parent has from then on. */
interface LoggedNode {
  readonly path: string;
  readonly parentCounter: number;
}

const MAGIC = 'ZKLG';
const VERSION = 2;
const CREATE = 1;
const ALL = 31;

/**
 * The transaction log of a server that has made these nodes: the number that a sequential node gets is its parent's counter,
 * which nobody can bring to 2^31 by requests within a test.
 */
export function transactionLog(nodes: readonly LoggedNode[]): Buffer {
  const header = Buffer.concat([Buffer.from(MAGIC), int(VERSION), long(0n)]);
  const records = nodes.map(({ path, parentCounter }, index) => {
    const transaction = Buffer.concat([
      // Session, number within it, zxid, time, kind.
      ...[long(1n), int(index + 1), long(BigInt(index + 1)), long(BigInt(Date.now())), int(CREATE)],
      // Path, data, one entry of an access list, not ephemeral, the counter.
      ...[text(path), int(0), int(1), int(ALL), text('world'), text('anyone'), Buffer.from([0]), int(parentCounter)],
    ]);
    return Buffer.concat([long(adler32(transaction)), int(transaction.length), transaction, Buffer.from('B')]);
  });
  return Buffer.concat([header, ...records]);
}

function int(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function long(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
}

function text(value: string): Buffer {
  return Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)]);
}

function adler32(bytes: Buffer): bigint {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return BigInt(b) * 65_536n + BigInt(a);
}
