// Who may import what. Of each file the first border counts whose `files` its path begins with; a package without one is refused.
// `may` and `not` are the beginnings of what is imported: a package by its name, or for a file of ours its path from the root.

const NODE = 'node:';
const CORE = 'packages/core/src/';
/** All of core's source but these folders of it. */
const coreBut = (...folders) => ({ may: [NODE, CORE], not: folders.map((folder) => `${CORE}${folder}/`) });

const own = (name) => `packages/${name}/src/`;
const backend = (name, ...more) => ({
  files: [own(name)],
  may: [NODE, own(name), '@holdfast/core', '@holdfast/core/backend', ...more],
  why: 'A backend imports core by its name, and no other backend; but for redlock, which is made of redis.',
});
const openDriver = (name, ...drivers) => ({
  ...backend(name, ...drivers),
  files: [`${own(name)}open-driver.ts`],
  lazily: drivers,
  why: 'Drivers are optional peers: open-driver.ts alone knows them, by a dynamic import, and the rest a small type of our own.',
});
const onCoresRoot = (name) => ({
  files: [own(name)],
  may: [NODE, own(name), '@holdfast/core'],
  why: "jobs, election, fencing, migration and otel stand on core's public contract alone: its root.",
});

/** What holdfast takes of each package: it exports it again, or loads it when a URL asks for it. */
const OURS = [
  'core',
  'core/memory',
  'core/testing',
  'core/conformance',
  'jobs',
  'election',
  'fencing',
  'otel',
  'migration',
  'redis',
  'redlock',
  'postgres',
  'zookeeper',
];
const BACKENDS = ['redis', 'redlock', 'postgres', 'zookeeper'];
const HOLDFAST = [NODE, own('holdfast'), 'commander', '@lukeed/ms'];

export const borders = [
  {
    files: [`${CORE}conformance/`],
    may: [NODE, `${CORE}conformance/`, `${CORE}index.js`, `${CORE}backend/index.js`],
    why: "The suite imports only what a third party could: core's index.js, and that of the kit.",
  },
  {
    files: [`${CORE}backend/`],
    ...coreBut('memory', 'testing', 'conformance', 'manager', 'lease', 'hold', 'waiting'),
    why: 'The kit serves backends: it knows the contract and what core shares with it.',
  },
  {
    files: [`${CORE}memory/`, `${CORE}testing/`],
    ...coreBut('conformance'),
    why: 'The memory backend and its tools know core and themselves.',
  },
  {
    files: [CORE],
    ...coreBut('memory', 'testing', 'conformance', 'backend'),
    why: 'core has no runtime dependency, Node built-ins and its own files only, and its root never imports its own subpaths.',
  },
  onCoresRoot('jobs'),
  onCoresRoot('election'),
  onCoresRoot('fencing'),
  onCoresRoot('migration'),
  { ...onCoresRoot('otel'), may: [NODE, own('otel'), '@holdfast/core', '@opentelemetry/api'] },
  {
    files: [own('fastify')],
    may: [NODE, own('fastify'), '@holdfast/core', 'fastify'],
    why: "fastify stands on core's root and on Fastify's types.",
  },
  {
    files: [own('nestjs')],
    may: [NODE, own('nestjs'), '@holdfast/core', '@holdfast/jobs', '@nestjs/common'],
    why: "nestjs stands on core's root, on jobs and on @nestjs/common.",
  },
  openDriver('redis', 'ioredis', 'redis', 'iovalkey', '@valkey/valkey-glide'),
  openDriver('postgres', 'pg'),
  openDriver('zookeeper', 'node-zookeeper-client'),
  backend('redis'),
  backend('postgres'),
  backend('zookeeper'),
  backend('redlock', '@holdfast/redis', '@holdfast/redis/connection'),
  {
    // connect-options.ts takes their types, schemes/ is imported when a URL asks for it, the others are entry points of their own.
    files: ['schemes/', 'connect-options.ts', ...BACKENDS.map((name) => `${name}.ts`)].map((file) => own('holdfast') + file),
    may: [...HOLDFAST, ...OURS.map((name) => `@holdfast/${name}`)],
    why: 'holdfast imports packages by what they export, and no driver.',
  },
  {
    files: [own('holdfast')],
    may: [...HOLDFAST, '@holdfast/jobs/node-cron', ...OURS.filter((name) => !BACKENDS.includes(name)).map((name) => `@holdfast/${name}`)],
    why: 'holdfast loads a backend when a URL asks for it, by way of schemes/, and no driver.',
  },
  {
    files: ['test/servers/'],
    may: [NODE, 'test/servers/', 'testcontainers', '@holdfast/core/conformance'],
    why: 'The servers serve the tests of every package, so they depend on none; they hang on the wire that the suite brings.',
  },
];

/** Which files may ask the system for the time, and why; all others of packages/ take the clock that is handed in. */
const timekeepers = [
  { files: [`${CORE}system-clock.ts`], why: "it is the system's clock" },
  {
    files: [`${CORE}calls/keep-alive.ts`, `${own('jobs')}tries.ts`, `${own('election')}keep-alive.ts`],
    why: 'their interval keeps the process alive, and counts nothing',
  },
  { files: [`${CORE}conformance/`], why: 'the suite times real stores, as a test does' },
  { files: [`${own('holdfast')}cli/`], why: 'a command is a process of its own' },
];

/**
 * What is wrong with a file's use of the system's clock.
 *
 * @param {string} file its path from the root, with slashes
 * @param {readonly string[]} uses the functions of the system that it names
 * @returns {string[]}
 */
export function clockViolations(file, uses) {
  if (!file.startsWith('packages/') || timekeepers.some(({ files }) => files.some((start) => file.startsWith(start)))) return [];
  return uses.map((use) => `${file} calls ${use}. Time comes from the clock that is handed in; scripts/borders.mjs has the exceptions.`);
}

/**
 * What is wrong with a file's imports.
 *
 * @param {string} file its path from the root, with slashes
 * @param {readonly { name: string, isLazy: boolean }[]} imports what it imports: a package, or a path from the root
 * @returns {string[]}
 */
export function violations(file, imports) {
  const border = borders.find(({ files }) => files.some((start) => file.startsWith(start)));
  if (border === undefined) return [`${file} has no border; say in scripts/borders.mjs what its package may import`];
  return imports
    .filter(({ name, isLazy }) => !isAllowed(border, name) || (!isLazy && border.lazily?.includes(name)))
    .map(({ name }) => `${file} imports ${name}. ${border.why}`);
}

/** A path is allowed by how it begins, a package only as it is: what it does not export is its own. */
function isAllowed({ may, not = [] }, name) {
  const fits = (entry) => (/[/:]$/.test(entry) ? name.startsWith(entry) : name === entry);
  return may.some(fits) && !not.some(fits);
}
