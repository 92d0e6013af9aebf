// The reference: one page for each exported name, made from the docstrings. node scripts/api.mjs [--check]
// With --check nothing is written: it lists the names without a docstring, and the docstrings whose links lead nowhere, and fails if there are any.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Application, Comment, LogLevel, TSConfigReader } from 'typedoc';
import { ENTRY_POINTS, pathOfEntry } from './entry-points.mjs';

const isCheck = process.argv.includes('--check');
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const app = await Application.bootstrapWithPlugins(
  {
    plugin: ['typedoc-plugin-markdown'],
    tsconfig: here('../tsconfig.json'),
    basePath: here('../..'),
    name: 'API reference',
    readme: 'none',
    logLevel: isCheck ? LogLevel.Warn : LogLevel.Error,
    entryPoints: ENTRY_POINTS.map(({ source }) => source),
    packagesRequiringDocumentation: [
      '@holdfast/site',
      'holdfast-workspace',
      ...new Set(ENTRY_POINTS.map(({ packageName }) => packageName)),
    ],
    validation: { notExported: false, invalidLink: true, notDocumented: true, rewrittenLink: false, unusedMergeModuleWith: true },
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    sort: ['kind', 'alphabetical'],
    // What the Markdown is to look like.
    entryFileName: 'index',
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    expandObjects: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'list',
    sanitizeComments: true,
    out: here('../api'),
  },
  [new TSConfigReader()],
);

const project = await app.convert();
if (project === undefined) process.exit(1);
for (const module of project.children ?? []) {
  const entry = ENTRY_POINTS.find(({ source }) => module.sources?.some(({ fullFileName }) => fullFileName === source));
  if (entry === undefined) throw new Error(`no entry point is made of ${module.name}`);
  module.name = pathOfEntry(entry.name);
  module.comment = new Comment([{ kind: 'text', text: sayImport(entry) }]);
}

if (isCheck) {
  app.validate(project);
  const problems = app.logger.warningCount + app.logger.errorCount;
  console.log(`${ENTRY_POINTS.length} entry points, ${problems} problems`);
  process.exitCode = problems > 0 ? 1 : 0;
} else {
  rmSync(here('../api'), { recursive: true, force: true });
  await app.generateOutputs(project);
  process.exitCode = app.logger.hasErrors() ? 1 : 0;
}

function sayImport({ name }) {
  const whole = name.replace(/^@holdfast\/(core\/?)?/, 'holdfast/').replace(/\/$/, '');
  return name === 'holdfast' || name === '@holdfast/redis/connection' || name === '@holdfast/core/backend'
    ? `\`import { ... } from '${name}'\``
    : `\`import { ... } from '${whole}'\`, or from \`'${name}'\``;
}
