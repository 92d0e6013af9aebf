import { existsSync } from 'node:fs';
import { chmod, lchown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { distrustOf, type PathUser } from '../src/cli/trusted-path.js';
import { runCli, temporaryFolder } from './cli-process.js';

const OTHER = 65_534;
const uid = process.getuid?.() ?? 0;
const isRoot = uid === 0;

/** One whose groups have other members. */
function user(id: number, isAlone = false): PathUser {
  return { uid: id, isAlone: async () => isAlone };
}

/**
 * For whom a path is looked at that is ours, or another's. Only root can give a file away; for others, who look at their
 * own files, it is the looking user that is another one.
 */
const me = user(uid);
const lookerAt = isRoot ? me : user(uid + 1);
async function giveAway(...paths: readonly string[]): Promise<void> {
  if (isRoot) await Promise.all(paths.map((path) => lchown(path, OTHER, OTHER)));
}

async function project(folder: string, mode = 0o755): Promise<string> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, mode);
  const file = join(folder, 'holdfast.config.mjs');
  await writeFile(file, 'export default {}');
  await chmod(file, 0o644);
  return file;
}

describe('a path that was found', () => {
  it('is trusted when only this user and root could have put it there', async () => {
    using folder = temporaryFolder();
    expect(await distrustOf(await project(join(folder.path, 'app')), me)).toBeNull();
  });

  it('is not when the file, or a folder above it, belongs to somebody else', async () => {
    using folder = temporaryFolder();
    const file = await project(join(folder.path, 'home/app'));
    await giveAway(file);
    expect(await distrustOf(file, lookerAt)).toContain('belongs to another user');
    if (isRoot) await lchown(file, 0, 0);
    await giveAway(join(folder.path, 'home'));
    expect(await distrustOf(file, lookerAt)).toContain('belongs to another user');
  });

  it('is trusted when it is root’s', async () => {
    expect(await distrustOf('/etc/passwd', user(uid + 1))).toBeNull();
  });

  it.each([
    ['anybody may write to the file', 'app/holdfast.config.mjs', 0o666],
    ['the group may write to the file', 'app/holdfast.config.mjs', 0o664],
    ['anybody may write to its folder', 'app', 0o757],
    ['anybody may write to its folder, and remove only their own', 'app', 0o1777],
    ['the group may write to its folder', 'app', 0o775],
    ['anybody may write to a folder further up', '.', 0o757],
    ['the group may write to a folder further up', '.', 0o775],
  ])('is not when %s', async (_, changed, mode) => {
    using folder = temporaryFolder();
    const file = await project(join(folder.path, 'app'));
    await chmod(join(folder.path, changed), mode);
    expect(await distrustOf(file, me)).toContain('may write to');
  });

  it('is trusted below a folder where all may write but remove only their own', async () => {
    using folder = temporaryFolder();
    const file = await project(join(folder.path, 'app'));
    await chmod(folder.path, 0o1777);
    expect(await distrustOf(file, me)).toBeNull();
  });

  it('is trusted when the group that may write is only this user’s own', async () => {
    using folder = temporaryFolder();
    const file = await project(join(folder.path, 'app'), 0o775);
    await chmod(file, 0o664);
    expect(await distrustOf(file, user(uid, true))).toBeNull();
  });

  it.each(['a link to the file', 'a link to its folder', 'a link by way of another'])(
    'is not when it is %s that somebody else made',
    async (kind) => {
      using folder = temporaryFolder();
      const file = await project(join(folder.path, 'ours'));
      await mkdir(join(folder.path, 'job'));
      const made = join(folder.path, 'job', kind === 'a link to its folder' ? 'folder' : 'holdfast.config.mjs');
      await symlink(kind === 'a link to its folder' ? '../ours' : file, made);
      await giveAway(made);
      const found =
        kind === 'a link to its folder'
          ? join(made, 'holdfast.config.mjs')
          : kind === 'a link to the file'
            ? made
            : join(folder.path, 'again.mjs');
      if (kind === 'a link by way of another') await symlink('job/holdfast.config.mjs', found);
      // Only the link is another's where this is no root, too.
      const looker = isRoot ? me : { ...lookerAt };
      expect(await distrustOf(found, looker)).toContain('belongs to another user');
    },
  );

  it('is trusted through links of one’s own, and not where they lead to what somebody else can change', async () => {
    using folder = temporaryFolder();
    const file = await project(join(folder.path, 'ours'));
    await project(join(folder.path, 'job'));
    await symlink('../ours', join(folder.path, 'job/folder'));
    const found = join(folder.path, 'job/folder/holdfast.config.mjs');
    expect(await distrustOf(found, me)).toBeNull();
    await chmod(file, 0o666);
    expect(await distrustOf(found, me)).toContain('may write to');
    await chmod(file, 0o644);
    await chmod(join(folder.path, 'ours'), 0o1777);
    expect(await distrustOf(found, me)).toContain('may write to');
  });

  it('is not when its links go round in a circle', async () => {
    using folder = temporaryFolder();
    await symlink('b', join(folder.path, 'a'));
    await symlink('a', join(folder.path, 'b'));
    expect(await distrustOf(join(folder.path, 'a'), me)).toContain('too many links');
  });
});

describe('the command line', () => {
  const payload = (mark: string): string =>
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(mark)}, ''); export default { url: 'memory:' };`;

  it.each([
    ['by anybody’s hand', 0o755, 0o666],
    ['in a folder where anybody may write', 0o1777, 0o644],
  ])('does not run a file that it found %s, and runs the same file when it is named', async (_, folderMode, mode) => {
    using folder = temporaryFolder();
    using elsewhere = temporaryFolder();
    const cwd = join(folder.path, 'open/job');
    await mkdir(cwd, { recursive: true });
    const file = join(folder.path, 'open/holdfast.config.mjs');
    const mark = join(elsewhere.path, 'ran');
    await writeFile(file, payload(mark));
    await chmod(file, mode);
    await chmod(join(folder.path, 'open'), folderMode);
    const found = await runCli(['ls'], { cwd });
    expect(found).toMatchObject({ code: 64, stdout: '' });
    expect(found.stderr).toMatch(/^holdfast: \S+holdfast\.config\.mjs: it is not read, [^\n]+--config[^\n]+\n$/);
    expect(existsSync(mark)).toBe(false);
    expect((await runCli(['ls', '--config', file], { cwd })).code).toBe(0);
    expect(existsSync(mark)).toBe(true);
    expect((await runCli(['health', '--no-config', '--url', 'memory:'], { cwd })).code).toBe(0);
  });

  it.each(['./acme.mjs', 'acme'])('does not run a module %s that anybody may write, where the configuration was found', async (module) => {
    using folder = temporaryFolder();
    using elsewhere = temporaryFolder();
    const [home, mark] = [join(folder.path, module === 'acme' ? 'node_modules/acme' : '.'), join(elsewhere.path, 'ran')];
    await mkdir(home, { recursive: true });
    const file = join(home, 'acme.mjs');
    await writeFile(join(home, 'package.json'), JSON.stringify({ name: 'acme', exports: './acme.mjs' }));
    await writeFile(file, payload(mark));
    const config = join(folder.path, 'holdfast.config.json');
    await writeFile(config, JSON.stringify({ url: 'acme://x', schemes: { acme: module } }));
    await chmod(file, 0o666);
    const found = await runCli(['ls'], { cwd: folder.path });
    expect(found).toMatchObject({ code: 64, stdout: '' });
    expect(found.stderr).toContain('anybody may write to');
    expect(existsSync(mark)).toBe(false);
    await runCli(['ls', '--config', config], { cwd: folder.path });
    expect(existsSync(mark)).toBe(true);
  });
});
