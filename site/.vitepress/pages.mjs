// Which Markdown of the repository is a page, where each page lies on the site, and in which order the pages are listed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ENTRY_POINTS, pathOfEntry } from '../scripts/entry-points.mjs';

/** @type {string} the root of the repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What is not a page: texts about the work on the project, and Markdown that belongs to other things. */
export const NO_PAGES = [
  'README.md',
  '.*/**',
  '**/CHANGELOG.md',
  '**/dist/**',
  '**/dist-test/**',
  'packages/*/publish/**',
  'packages/*/publish.*/**',
  '**/test/**',
  'site/*/**/node_modules/**',
  'site/README.md',
  'site/reports/**',
];

const ELSEWHERE = {
  'site/index.md': 'index.md',
  'ARCHITECTURE.md': 'architecture.md',
  'CONTRIBUTING.md': 'contributing.md',
  'bench/README.md': 'benchmark.md',
  'examples/README.md': 'examples.md',
};

/**
 * Where a file of the repository lies on the site.
 *
 * @param {string} file its path from the root, with slashes
 * @returns {string} the path of its page, with `.md`
 */
export function pageOf(file) {
  return (
    ELSEWHERE[file] ??
    file
      .replace(/^docs\//, '')
      .replace(/^site\/api\//, 'api/')
      .replace(/^packages\/core\/src\/conformance\/README\.md$/, 'conformance.md')
      .replace(/^packages\/core\/src\/conformance\//, 'conformance-')
      .replace(/^packages\/([^/]+)\/README\.md$/, 'packages/$1.md')
  );
}

const GROUPS = {
  'Get started': ['docs/start.md', 'docs/choosing.md', 'examples/README.md', 'docs/glossary.md'],
  Guides: [
    'docs/one-at-a-time.md',
    'docs/jobs.md',
    'docs/node-cron.md',
    'docs/frameworks.md',
    'packages/nestjs/README.md',
    'packages/fastify/README.md',
    'docs/permits.md',
    'docs/readers.md',
    'docs/web-locks.md',
    'docs/election.md',
    'docs/protecting-a-row.md',
    'docs/fencing.md',
    'docs/transaction-lock.md',
    'docs/migrating.md',
    'docs/testing.md',
    'docs/writing-a-backend.md',
  ],
  Operating: ['docs/operating.md', 'docs/monitoring.md', 'docs/scale.md', 'docs/cli.md', 'docs/errors.md', 'packages/otel/README.md'],
  Stores: [
    'docs/memory.md',
    'packages/redis/README.md',
    'docs/redlock.md',
    'packages/redlock/README.md',
    'docs/postgres.md',
    'docs/zookeeper.md',
  ],
  'Moving here': [
    'docs/migrating-from-hazelcast.md',
    'docs/migrating-from-redisson.md',
    'docs/migrating-from-node-redlock.md',
    'docs/migrating-from-shedlock.md',
    'docs/migrating-from-spring-integration.md',
    'docs/migrating-from-curator.md',
    'docs/migrating-from-advisory-lock.md',
    'docs/migrating-from-home-made.md',
  ],
  Packages: ['packages/holdfast/README.md', 'packages/core/README.md'],
  Proof: [
    'docs/claims.md',
    'packages/core/src/conformance/README.md',
    'packages/core/src/conformance/RULES.md',
    'docs/peers.md',
    'docs/simulator.md',
    'docs/faults.md',
    'docs/benchmarks.md',
    'docs/where-the-time-goes.md',
    'bench/README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
  ],
};

/** The side bar: the groups above, every page of docs/ and of the packages that none of them names, and the reference. */
export function sidebar() {
  const named = new Set(Object.values(GROUPS).flat());
  const packages = readdirSync(`${ROOT}packages`).map((name) => `packages/${name}/README.md`);
  const guides = readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`);
  const others = (files) => files.filter((file) => file.endsWith('.md') && !named.has(file));
  return [
    ...Object.entries(GROUPS).map(([text, files]) => group(text, text === 'Packages' ? [...files, ...others(packages)] : files)),
    group('More', others(guides)),
    {
      text: 'API reference',
      collapsed: true,
      items: [
        { text: 'All entry points', link: '/api/' },
        ...ENTRY_POINTS.filter(({ isInternal }) => !isInternal).map(({ name }) => ({ text: name, link: `/api/${pathOfEntry(name)}/` })),
      ],
    },
  ].filter(({ items }) => items.length > 0);
}

function group(text, files) {
  const items = files
    .filter((file) => existsSync(ROOT + file))
    .map((file) => ({ text: titleOf(file), link: `/${pageOf(file).replace(/\.md$/, '')}` }));
  return { text, collapsed: text === 'Packages' || text === 'Moving here', items };
}

function titleOf(file) {
  return /^# (.*)$/m.exec(readFileSync(ROOT + file, 'utf8'))?.[1] ?? file;
}
