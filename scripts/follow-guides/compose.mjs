// examples/compose.yaml: what its comments say of each server, and, where there is a container engine, the servers themselves.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { run } from '../try-frameworks/project.mjs';

const FILE = 'examples/compose.yaml';
/** Where the plugin of docker is not installed, the program of the same services. */
const COMPOSE = `docker compose version >/dev/null 2>&1 || docker() { shift; docker-compose "$@"; }`;

export async function followCompose(reader) {
  await reader.type('npm init -y && npm install yaml holdfast ioredis pg node-zookeeper-client');
  const { services } = createRequire(reader.path('package.json'))('yaml').parse(reader.text(FILE));
  const urls = [...reader.text(FILE).matchAll(/# HOLDFAST_URL=(\S+?),? /g), ...reader.text(FILE).matchAll(/# HOLDFAST_URL=(\S+)$/gm)];
  const named = urls.flatMap(([, url]) => [...url.matchAll(/localhost:(\d+)/g)].map(([, port]) => port));
  // Every server that is published is named in a comment, and is published to this machine alone.
  const published = Object.values(services).map(({ ports: [port] }) => /^127\.0\.0\.1:(\d+):\d+$/.exec(port)?.[1]);
  assert.deepEqual(new Set(named), new Set(published));
  const images = [...reader.text('CONTRIBUTING.md').matchAll(/`((?:redis|postgres|zookeeper):[^`]+)`/g)].map(([, image]) => image);
  assert.deepEqual(new Set(Object.values(services).map(({ image }) => image)), new Set(images.filter((image) => !image.includes('//'))));

  if (run('docker', ['info']).status !== 0) {
    console.log('     no container engine: the file was read, and no server was started');
    return;
  }
  mkdirSync(reader.path('examples'));
  reader.save(FILE, reader.text(FILE));
  const [commands] = reader.blocks('docs/cli.md', 'sh', 'To try each store');
  try {
    await reader.type(`${COMPOSE}\n${patient(commands)}`);
    await reader.type(`${COMPOSE}\ndocker compose -f ${FILE} up -d`);
    for (const url of new Set(urls.map(([, each]) => each))) {
      if (url.startsWith('redlock:')) await reader.type(patient('npx holdfast init-nodes --yes'), { also: { HOLDFAST_URL: url } });
      await reader.type(patient('npx holdfast health'), { also: { HOLDFAST_URL: url } });
    }
    console.log(`     ${published.length} servers were started, and each was healthy`);
  } finally {
    await reader.type(`${COMPOSE}\ndocker compose -f ${FILE} down`);
  }
}

/** A server that has only just been started answers soon; until then the command is typed again. */
function patient(commands) {
  return commands.replace(/^(?:HOLDFAST_URL=|npx ).*$/gm, 'until $&; do sleep 1; done');
}
