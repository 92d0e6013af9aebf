import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the script says is wrong, and its exit code. */
function check(...options: readonly string[]): { readonly code: number | null; readonly said: string } {
  const { status, stderr } = spawnSync(execPath, [join(root, 'scripts/write-claims.mjs'), ...options], { encoding: 'utf8' });
  return { code: status, said: stderr };
}

describe('the claims of the documentation', () => {
  it('are all shown by something that is there, and the page says by what', () => {
    expect(check('--check')).toEqual({ code: 0, said: '' });
  });
});

describe('the check of claims', () => {
  const written = readFileSync(join(root, 'docs/claims.json'), 'utf8');
  const broken: readonly (readonly [from: string, to: string])[] = [
    ['> opens memory: and locks', '> a test that is gone'],
    ['suite: outcomes/five', 'suite: a case that is gone'],
    ['test: packages/redis/test/load.test.ts', 'test: a file that is gone'],
    ['figures: docs/round-trips.md > Redlock', 'figures: docs/round-trips.md > a row of figures that is gone'],
    ['packages/zookeeper/test/conformance.test.ts', 'packages/zookeeper/test/queue.test.ts'],
    ['"Waiting is cheap."', '"words that the page does not say"'],
    ['"order of waiters": {', '"a row that the table does not have": {'],
    ['"suite: unavailable/not-busy"]', '"suite: unavailable/not-busy"], "is legal, TypeScript": []'],
  ];
  let said: string;

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-claims-'));
    try {
      writeFileSync(
        join(folder, 'claims.json'),
        broken.reduce((text, [from, to]) => text.replaceAll(from, to), written),
      );
      const assertionResults = [
        { title: 'fits where any manager is wanted', status: 'passed' },
        { title: 'do not come again when the server crashes right after a grant (table)', status: 'failed' },
      ];
      const testResults = [
        { name: join(root, 'packages/holdfast/test/connect-types.test.ts'), assertionResults },
        { name: join(root, 'packages/postgres/test/schema.test.ts'), assertionResults },
      ];
      writeFileSync(join(folder, 'report.json'), JSON.stringify({ testResults }));
      const result = check('--check', '--claims', join(folder, 'claims.json'), '--report', join(folder, 'report.json'));
      expect(result.code).toBe(1);
      said = result.said;
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names everything that is said to show a claim and is not there', () => {
    for (const [from] of broken) expect(written).toContain(from);
    for (const [, to] of broken.slice(0, 4)) expect(said).toContain(to.replace(/^.*[>:] /, ''));
    expect(said).toContain('packages/zookeeper/test/queue.test.ts does not run the conformance suite');
  });

  it('names the claims that are not made, and those that nothing shows', () => {
    expect(said).toContain('the words "words that the page does not say" do not stand there');
    expect(said).toContain('there is no row "a row that the table does not have"');
    expect(said).toContain('nothing shows the row "order of waiters"');
    expect(said).toContain('nothing shows "Waiting is cheap."');
    expect(said).toContain('nothing shows "is legal, TypeScript"');
  });

  it('names what a run has not shown: nothing ran, or a test failed', () => {
    expect(said).not.toContain('fits where any manager is wanted');
    expect(said).toContain(
      'packages/postgres/test/schema.test.ts: "do not come again when the server crashes right after a grant (table)" failed',
    );
    expect(said).toContain('the case deadline/lost-reply did not run');
  });
});
