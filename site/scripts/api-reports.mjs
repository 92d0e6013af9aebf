// What each entry point exports, as one text in site/reports, so that a change of it shows in a review: node scripts/api-reports.mjs [--check]
// It is made from the declarations that were built. With --check nothing is written, and a text that is not up to date is an error.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CompilerState, Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { ENTRY_POINTS, pathOfEntry } from './entry-points.mjs';

const isCheck = process.argv.includes('--check');
const reports = fileURLToPath(new URL('../reports', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'holdfast-api-'));
process.once('exit', () => rmSync(temporary, { recursive: true, force: true }));
mkdirSync(reports, { recursive: true });

const NONE = { logLevel: 'none', addToApiReportFile: false };
const names = new Map(ENTRY_POINTS.map((entry) => [`${pathOfEntry(entry.name).replaceAll('/', '-')}.api.md`, entry]));
const configs = [...names].map(([file, { declarations }]) => configOf(file, declarations));
// One reading of all declarations serves all reports.
const compilerState = CompilerState.create(configs[0], { additionalEntryPoints: ENTRY_POINTS.map(({ declarations }) => declarations) });
const stale = configs.filter((config) => !isUpToDate(config)).map(({ reportConfigs: [{ fileName }] }) => fileName);
const surplus = readdirSync(reports).filter((file) => !names.has(file));
if (!isCheck) for (const file of surplus) rmSync(join(reports, file));

const wrong = isCheck ? [...stale, ...surplus] : [];
for (const file of wrong) {
  console.error(`site/reports/${file} is not what the package exports; if the change is meant, write it with: npx -y pnpm@10 api:update`);
}
console.log(`${names.size} entry points, ${isCheck ? `${wrong.length} reports out of date` : `${stale.length} reports written`}`);
process.exitCode = wrong.length > 0 ? 1 : 0;

/** @returns {boolean} whether the report in the repository says what is exported; without --check it does afterwards */
function isUpToDate(config) {
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    compilerState,
    localBuild: !isCheck,
    messageCallback: (message) => {
      message.handled = message.logLevel !== 'error';
    },
  });
  if (errorCount > 0) throw new Error(`${config.mainEntryPointFilePath} cannot be read`);
  return !apiReportChanged;
}

function configOf(reportFileName, declarations) {
  const projectFolder = declarations.slice(0, declarations.lastIndexOf('/dist/'));
  return ExtractorConfig.prepare({
    packageJsonFullPath: join(projectFolder, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder,
      mainEntryPointFilePath: declarations,
      newlineKind: 'lf',
      compiler: {
        overrideTsconfig: {
          compilerOptions: { module: 'nodenext', target: 'es2023', lib: ['es2023', 'esnext.disposable'], strict: true, types: ['node'] },
          files: [declarations],
        },
      },
      apiReport: { enabled: true, reportFileName, reportFolder: reports, reportTempFolder: temporary },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: { default: NONE },
        tsdocMessageReporting: { default: NONE },
      },
    },
  });
}
