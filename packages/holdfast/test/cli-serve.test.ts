import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patient, runCli, startCli } from './cli-process.js';

let server: RedisServer;
let locks: LockManager<bigint>;

beforeAll(async () => {
  server = await startRedis();
  locks = await connect(patient(server.url), { require: ['fencing'] });
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

/** What it answers to a request under another host name, which `fetch` does not let anybody choose. */
async function statusUnder(address: string, host: string): Promise<number | undefined> {
  const request = httpRequest(address, { headers: { host } }).end();
  const [response] = (await once(request, 'response')) as [{ readonly statusCode: number | undefined; resume(): void }];
  response.resume();
  return response.statusCode;
}

describe('holdfast serve', () => {
  it('shows what is held to this machine until a signal ends it, and takes nothing away', async () => {
    const name = randomUUID();
    await using _ = await locks.acquire(name);
    await using serving = startCli(['serve', name, '--port', '0'], { url: patient(server.url) });
    const [, address = ''] = await serving.prints(/^(http:\/\/127\.0\.0\.1:\d+\/)$/m);
    expect(await (await fetch(`${address}lock?name=${name}&kind=lock`)).json()).toMatchObject({ name, held: true });
    expect((await fetch(`${address}lock?name=other&kind=lock`)).status).toBe(404);
    expect(
      (await fetch(`${address}release?name=${name}&kind=lock`, { method: 'POST', headers: { origin: address.slice(0, -1) } })).status,
    ).toBe(403);
    expect(await statusUnder(address, 'evil.example')).toBe(421);
    // An open stream does not keep it.
    const events = await fetch(`${address}events`);
    serving.kill('SIGTERM');
    expect(await serving.ended).toMatchObject({ code: 0, signal: null });
    await events.body?.cancel().catch(() => {});
  });

  it('says why it does not serve', async () => {
    const { code, stderr } = await runCli(['serve', '--host', '0.0.0.0'], { url: patient(server.url) });
    expect({ code, says: stderr.includes('--allow-host') }).toEqual({ code: 64, says: true });
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = await runCli(['serve', '--port', String(port)], { url: patient(server.url) });
    expect({ code: taken.code, says: taken.stderr.includes('EADDRINUSE') }).toEqual({ code: 64, says: true });
    other.close();
  });
});
