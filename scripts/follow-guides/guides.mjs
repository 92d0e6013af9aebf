// What is followed, by name. Each takes all shell commands of its page, so that a new one is tried too.
import { until } from '../../test/dist/servers/index.js';
import { followCompose } from './compose.mjs';

import { followMongo } from './mongo.mjs';
import { followSamples, pagesWithSamples } from './samples.mjs';
import { expectIn } from './reader.mjs';
import { followSql } from './sql.mjs';

/** Programs of the reader's own that a page runs. */
const OWN_PROGRAMS = ['report.sh', 'statistics.sh', 'scheduler', 'build.sh', 'upload.sh', 'bill.sh'];

async function ownPrograms(reader) {
  for (const name of OWN_PROGRAMS) reader.save(name, `#!/bin/sh\necho "${name} ran"\n${name === 'scheduler' ? 'exec sleep 60\n' : ''}`);
  await reader.type(`chmod +x ${OWN_PROGRAMS.join(' ')}`);
}

export const guides = {
  readme: async (reader) => {
    const [install, run] = reader.blocks('README.md', 'sh');
    await reader.type(`npm init -y && npm pkg set type=module\n${install}`);
    for (const [index, code] of reader.blocks('README.md', 'ts').entries()) {
      reader.save(`readme-${index}.js`, code);
      await reader.type(`node readme-${index}.js`);
    }
    await reader.type(run);
  },

  start: async (reader) => {
    const [install, twice, list] = reader.blocks('docs/start.md', 'sh');
    await reader.type(install);
    reader.enter('shop');
    const [first, second] = reader.blocks('docs/start.md', 'ts');
    reader.save('first-lock.js', first);
    expectIn(await reader.type('node first-lock.js'), /^$/);
    reader.save('second.js', second);
    await reader.type('node second.js');
    const terminals = [reader.type(twice), reader.type(twice)];
    let listed = '';
    while (!listed.includes('demo')) listed = await reader.type(list);
    for (const printed of await Promise.all(terminals)) expectIn(printed, /working/);
  },

  // Commands that go on until somebody ends them are ended by Ctrl-C.
  holdfast: async (reader) => {
    const [install, commands] = reader.blocks('packages/holdfast/README.md', 'sh');
    await reader.type(`npm init -y\n${install}`);
    await ownPrograms(reader);
    const [set, ...lines] = commands.split('\n').filter((line) => line !== '');
    const goingOn = [];
    for (const line of lines) {
      if (/npx holdfast (?:top|serve|hold|lead) /.test(`${line} `)) {
        const brief = line.replace('npx', 'timeout --signal=INT --preserve-status 20 npx');
        // top wants a terminal.
        goingOn.push(reader.type(`${set}\n${brief}`, { expected: line.includes(' top ') ? 64 : 130 }));
      } else if (line.includes(' leader ')) {
        await until('somebody leads', () => reader.type(`${set}\n${line}`).then(() => true), { timeoutMs: 15_000 });
      } else await reader.type(`${set}\n${line.replace(' conformance ', ' conformance --yes --only health ')}`);
    }
    await Promise.all(goingOn);
  },

  'command-line': async (reader) => {
    const [install, script] = reader.blocks('docs/cli.md', 'sh');
    await reader.type(`npm init -y\n${install}`);
    await ownPrograms(reader);
    expectIn(await reader.type(script, { also: onPath(reader) }), /build\.sh ran\nupload\.sh ran/);
    const [run] = reader.blocks('docs/one-at-a-time.md', 'sh');
    expectIn(await reader.type(run, { also: onPath(reader) }), /bill\.sh ran/);
  },

  telemetry: async (reader) => {
    const [install] = reader.blocks('packages/otel/README.md', 'sh');
    await reader.type(`npm init -y && npm pkg set type=module\n${install.trim()} @opentelemetry/sdk-node`);
    const [alone] = reader.blocks('packages/otel/README.md', 'ts');
    const [sdk] = reader.blocks('packages/otel/README.md', 'js');
    reader.save('alone.js', alone);
    await reader.type('node alone.js');
    // What the sample sends where, and a lock to see in it.
    reader.save(
      'sdk.js',
      `${sdk}\nimport { connect } from 'holdfast';\nconst locks = await connect('memory:');\nawait locks.withLock('a', () => {});\nawait locks.close();\nsetTimeout(() => process.exit(), 3_000);\n`,
    );
    const printed = await reader.type('node sdk.js', {
      also: { OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_BSP_SCHEDULE_DELAY: '200' },
    });
    for (const span of ['acquire lock', 'hold lock']) expectIn(printed, new RegExp(`name: '${span}'`));
  },

  'new-backend': async (reader) => {
    const [command] = /npx holdfast new-backend my-backend/.exec(reader.text('docs/writing-a-backend.md')) ?? [];
    await reader.type(`npm init -y\nnpm install holdfast\n${command}`);
    reader.enter('my-backend');
    expectIn(await reader.type('npm install && npm test'), /Tests\s+\d+ passed/);
    await reader.type('npm run test:node');
    await reader.type('npm run conformance');
  },

  sql: followSql,
  mongo: followMongo,

  compose: followCompose,
  ...Object.fromEntries(pagesWithSamples().map((page) => [page, (reader) => followSamples(reader, page)])),
};

/** The page by which it is known what servers a guide wants, or null where it starts its own. */
export function pageOf(name) {
  const others = new Map([
    ['sql', 'docs/protecting-a-row.md'],
    ['compose', null],
  ]);
  return name.endsWith('.md') ? name : others.has(name) ? others.get(name) : 'README.md';
}

function onPath(reader) {
  return { HOLDFAST_URL: reader.addressOf('redis://localhost:6379'), PATH: `${reader.path('node_modules/.bin')}:${process.env.PATH}` };
}
