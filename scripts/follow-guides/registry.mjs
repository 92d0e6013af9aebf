// A registry for npm that has our packages, as they would be published, and sends npm on to npm's own for all others.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { packStaged } from '../try-bundlers/pack-staged.mjs';
import { mustRun } from '../try-frameworks/project.mjs';

const ELSEWHERE = mustRun('npm', ['config', 'get', 'registry']).trim().replace(/\/?$/, '/');

/** @param folder where the tarballs go */
export async function startRegistry(folder) {
  const tarballs = new Map(Object.entries(await packStaged(folder)).map(([name, file]) => [name, file.replace(/^file:/, '')]));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname.slice(1));
    const [name, isTarball] = path.endsWith('/-/it.tgz') ? [path.slice(0, -'/-/it.tgz'.length), true] : [path, false];
    const tarball = tarballs.get(name);
    if (tarball === undefined) response.writeHead(307, { location: ELSEWHERE + request.url.slice(1) }).end();
    else if (isTarball) response.end(readFileSync(tarball));
    else
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(packumentOf(name, tarball, `http://${request.headers.host}`)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

/** What a registry says of a package: here, of its one version. */
function packumentOf(name, tarball, url) {
  const manifest = JSON.parse(mustRun('tar', ['-xzOf', tarball, 'package/package.json']));
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
  const version = { ...manifest, dist: { tarball: `${url}/${encodeURIComponent(name)}/-/it.tgz`, integrity } };
  return { name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: version } };
}
