import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../scripts/check-borders.mjs', import.meta.url));

interface Verdict {
  readonly code: number | null;
  /** The files of which something was said, and what they import. */
  readonly found: readonly string[];
}

function check(...root: readonly string[]): Verdict {
  const { status, stderr } = spawnSync(execPath, [script, ...root], { encoding: 'utf8' });
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { code: status, found: lines.map((line) => /^\S+ (?:imports \S+?(?=\. )|has no border)/.exec(line)?.[0] ?? line) };
}

/** Checks a workspace of these files. */
function checkFiles(files: Readonly<Record<string, string>>): Verdict {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-borders-'));
  try {
    mkdirSync(join(root, 'packages'));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    return check(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

// Each a file, and what it must not import.
const broken: readonly (readonly [file: string, specifier: string])[] = [
  ['packages/core/src/hold/a.ts', 'lodash'],
  ['packages/core/src/hold/b.ts', 'fs'],
  ['packages/core/src/hold/c.ts', '@holdfast/core'],
  ['packages/core/src/index.ts', './memory/index.js'],
  ['packages/core/src/manager/a.ts', '../testing/manual-clock.js'],
  ['packages/core/src/manager/b.ts', '../conformance/index.js'],
  ['packages/core/src/calls/a.ts', '../backend/within.js'],
  ['packages/core/src/memory/a.ts', '../conformance/harness.js'],
  ['packages/core/src/testing/a.ts', 'vitest'],
  ['packages/core/src/backend/a.ts', '../manager/manager-core.js'],
  ['packages/core/src/backend/b.ts', '../hold/hold.js'],
  ['packages/core/src/backend/c.ts', '../waiting/wait.js'],
  ['packages/core/src/backend/d.ts', '../memory/index.js'],
  ['packages/core/src/conformance/a.ts', '../manager/manager-core.js'],
  ['packages/core/src/conformance/cases/a.ts', '../../errors.js'],
  ['packages/core/src/conformance/cases/b.ts', 'vitest'],
  ['packages/jobs/src/a.ts', '@holdfast/core/memory'],
  ['packages/jobs/src/b.ts', '@holdfast/core/backend'],
  ['packages/jobs/src/c.ts', '../../core/src/errors.js'],
  ['packages/migration/src/a.ts', '@holdfast/jobs'],
  ['packages/migration/src/b.ts', 'holdfast'],
  ['packages/redis/src/a.ts', 'ioredis'],
  ['packages/redis/src/b.ts', '@holdfast/postgres'],
  ['packages/redis/src/c.ts', 'holdfast'],
  ['packages/redis/src/d.ts', '@holdfast/test/servers'],
  ['packages/redis/src/e.ts', '@holdfast/core/dist/errors.js'],
  ['packages/redis/src/f.ts', '@holdfast/core/memory'],
  ['packages/redis/src/open-driver.ts', 'pg'],
  ['packages/redlock/src/a.ts', 'ioredis'],
  ['packages/redlock/src/b.ts', '@holdfast/redis/src/link.js'],
  ['packages/redlock/src/c.ts', '@holdfast/zookeeper'],
  ['packages/redlock/src/d.ts', '../../redis/src/link.js'],
  ['packages/postgres/src/advisory/a.ts', 'pg'],
  ['packages/postgres/src/b.ts', '@holdfast/redis'],
  ['packages/zookeeper/src/a.ts', 'node-zookeeper-client'],
  ['packages/zookeeper/src/b.ts', 'testcontainers'],
  ['packages/holdfast/src/connect.ts', '@holdfast/redis'],
  ['packages/holdfast/src/a.ts', 'holdfast'],
  ['packages/holdfast/src/schemes/a.ts', 'ioredis'],
  ['packages/holdfast/src/schemes/b.ts', '@holdfast/core/dist/index.js'],
  ['packages/holdfast/src/cli/a.ts', 'vitest'],
  ['test/servers/a.ts', '@holdfast/core'],
  ['test/servers/b.ts', 'ioredis'],
  ['test/servers/c.ts', '../processes/lock-taker.js'],
];

/** As the script says it. */
function told(file: string, specifier: string): string {
  const name = specifier.startsWith('.') ? join(dirname(file), specifier) : specifier;
  return `${file} imports ${name}`;
}

describe('borders between packages', () => {
  it('are kept by this repository', () => {
    expect(check()).toEqual({ code: 0, found: [] });
  });

  it('are seen to be broken, each of them', () => {
    const verdict = checkFiles(Object.fromEntries(broken.map(([file, specifier]) => [file, `import { a } from '${specifier}';\n`])));
    expect(verdict.code).toBe(1);
    expect([...verdict.found].sort()).toEqual(broken.map(([file, specifier]) => told(file, specifier)).sort());
  });

  it('are broken by every way of importing', () => {
    const forms = [
      `import 'pg';`,
      `import type { A } from 'pg';`,
      `import a, { b } from "pg";`,
      `export * from 'pg';`,
      `export { a } from 'pg';`,
      `const a = await import('pg');`,
      'const a = await import(`pg`);',
      `type A = import('pg').A;`,
      `const a = require('pg');`,
      `import a = require('pg');`,
      `// import {}\n/* from */ import /* 'a' */ { a } from /* 'b' */ 'pg';`,
    ];
    const files = forms.map((text, index) => [`packages/redis/src/${String.fromCharCode(97 + index)}.ts`, text] as const);
    expect(checkFiles(Object.fromEntries(files))).toEqual({ code: 1, found: files.map(([file]) => `${file} imports pg`) });
  });

  it('let a driver in by a dynamic import only, and only where it is opened', () => {
    const file = 'packages/postgres/src/open-driver.ts';
    expect(checkFiles({ [file]: `const { Client } = await import('pg');` })).toEqual({ code: 0, found: [] });
    expect(checkFiles({ [file]: `import { Client } from 'pg';` })).toEqual({ code: 1, found: [`${file} imports pg`] });
  });

  it("keep the system's clock out, but where it is asked for all", () => {
    const texts = [
      'const now = Date.now();',
      'const now = performance.now();',
      'const now = new Date();',
      'setTimeout(() => {}, 1);',
      'globalThis.setInterval(() => {}, 1);',
      `import { setTimeout } from 'node:timers';`,
      `import { setTimeout as sleep } from 'node:timers/promises';`,
      'const started = process.hrtime.bigint();',
    ];
    const files = texts.map((text, index) => [`packages/redis/src/${index}.ts`, text] as const);
    const { code, found } = checkFiles({ ...Object.fromEntries(files), 'packages/core/src/system-clock.ts': texts.join('\n') });
    expect(code).toBe(1);
    expect(found.map((line) => line.replace(/ calls .*/, '')).sort()).toEqual(files.map(([file]) => file));
  });

  it("let a moment in that was handed in, and what only has the name of one of the clock's functions", () => {
    const text = 'const day = new Date(clock.wall());\nclock.setTimer(1, () => {});\nsocket.setTimeout(1);\n';
    expect(checkFiles({ 'packages/redis/src/a.ts': text })).toEqual({ code: 0, found: [] });
  });

  it('are demanded of each package', () => {
    expect(checkFiles({ 'packages/new/src/index.ts': '' })).toEqual({ code: 1, found: ['packages/new/src/index.ts has no border'] });
    expect(checkFiles({}).code).toBe(1);
  });
});
