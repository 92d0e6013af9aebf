// The sample for MongoDB, on FerretDB, which speaks the protocol: MongoDB itself is in no package registry. Needs Go and its module proxy.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { reservePort, until } from '../../test/dist/servers/index.js';
import { mustRun } from '../try-frameworks/project.mjs';
import { expectIn } from './reader.mjs';

const SOURCE = fileURLToPath(new URL('ferretdb/', import.meta.url));
/** Of a first build. */
const BUILD_MS = 900_000;
/** A later holder has written, with a token that is above that of every lock. */
const LATER = `import { Long, MongoClient } from 'mongodb';
const mongo = new MongoClient('mongodb://localhost:27017');
const accounts = mongo.db('shop').collection('accounts');
const { balance, token } = await accounts.findOne({ _id: 7 }, { promoteLongs: false });
console.log(String(balance), String(token));
await accounts.updateOne({ _id: 7 }, { $set: { token: Long.MAX_VALUE } });
await mongo.close();
`;

export async function followMongo(reader) {
  const program = reader.path('ferretdb');
  mustRun('go', ['build', '-o', program, '.'], { cwd: SOURCE, timeout: BUILD_MS });
  const reserved = await reservePort();
  const { port } = reserved;
  const data = reader.path('data');
  mkdirSync(data);
  const server = spawn(program, [`127.0.0.1:${port}`, data], { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = once(server, 'exit');
  try {
    const own = (text) => text.replaceAll('mongodb://localhost:27017', `mongodb://127.0.0.1:${port}`);
    const [install] = /^npm install .* mongodb$/m.exec(reader.text('docs/fencing.md')) ?? [];
    await reader.type(`npm init -y && npm pkg set type=module\n${install}`);
    const [sample] = reader.blocks('docs/fencing.md', 'js', 'MongoDB');
    reader.save('sample.js', own(sample));
    reader.save('later.js', own(LATER));
    await until('the server is there', () => reader.type('node sample.js').then(() => true), { timeoutMs: 60_000 });
    expectIn(await reader.type('node sample.js && node later.js'), /^90 \d{16,19}$/m);
    expectIn(await reader.type('node sample.js', { expected: 1 }), /a later holder has written it/);
  } finally {
    server.stdin.end();
    await ended;
    reserved.release();
  }
}
