// The reference: one page for each exported name, made from the docstrings. node scripts/api.mjs [--check]
// With --check nothing is written: it lists names without a docstring, objects without an example, links in docstrings that lead nowhere, and words that our texts do without,
// and fails if there are any.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Application, Comment, LogLevel, ReflectionKind, TSConfigReader } from 'typedoc';
import { importsOf, indexPage } from './api-index.mjs';
import { ENTRY_POINTS as ALL, pathOfEntry } from './entry-points.mjs';
import { withoutExample } from './examples.mjs';
import { wrongWords } from './words.mjs';

const ENTRY_POINTS = ALL.filter(({ isInternal }) => !isInternal);
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
  // Not counted: that a checkout has no remote to which sources could be linked.
  const before = app.logger.warningCount;
  const isClear = (reflection) => reflection.kind === ReflectionKind.Property && !reflection.hasComment() && isSelfEvident(reflection);
  const clear = Object.values(project.reflections).filter(isClear);
  app.options.setValue('intentionallyNotDocumented', [...new Set(clear.map((each) => each.getFriendlyFullName()))]);
  app.validate(project);
  for (const { comment, name } of Object.values(project.reflections)) {
    const parts = [...(comment?.summary ?? []), ...(comment?.blockTags.flatMap(({ content }) => content) ?? [])];
    const text = parts.map(({ kind, text: part }) => (kind === 'code' ? '' : part)).join('');
    for (const wrong of wrongWords(text)) app.logger.warn(`the docstring of ${name} says ${wrong}`);
  }
  for (const name of withoutExample(project)) app.logger.warn(`the docstring of ${name} has no @example`);
  const problems = app.logger.warningCount - before + app.logger.errorCount;
  console.log(`${ENTRY_POINTS.length} entry points, ${problems} problems`);
  process.exitCode = problems > 0 ? 1 : 0;
} else {
  rmSync(here('../api'), { recursive: true, force: true });
  await app.generateOutputs(project);
  writeFileSync(here('../api/index.md'), indexPage(ENTRY_POINTS));
  process.exitCode = app.logger.hasErrors() ? 1 : 0;
}

/**
 * `type: 'granted'` or `ok: false` say which of several shapes a value has; what the parts of a constant's value are, the docstring of the
 * constant says.
 */
function isSelfEvident({ type, parent }) {
  return type?.type === 'literal' || isOfVariable(parent);
}

function isOfVariable(parent) {
  return parent?.kind === ReflectionKind.Variable || (isPart(parent) && isOfVariable(parent.parent));
}

function isPart(reflection) {
  return reflection?.kind === ReflectionKind.TypeLiteral || reflection?.kind === ReflectionKind.Property;
}

function sayImport({ name }) {
  const [first, second] = importsOf(name);
  return `\`import { ... } from '${first}'\`${second === undefined ? '' : `, or from \`'${second}'\``}`;
}
