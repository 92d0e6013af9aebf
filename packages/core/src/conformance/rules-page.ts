import { allCases } from './cases/index.js';
import { placesOf } from './case-failure.js';
import { levels, SUITE_VERSION } from './levels.js';
import { rules } from './rules.js';

/** RULES.md: the levels, and every rule with its cases, from the cases themselves. */
export function rulesPage(): string {
  return [
    '# The rules of a lock backend',
    '',
    `<!-- Written by scripts/write-rules.mjs from the conformance suite ${SUITE_VERSION}; do not edit. -->`,
    '',
    `What the [conformance suite](https://www.npmjs.com/package/@holdfast/core) ${SUITE_VERSION} checks: ${allCases.length} cases of ${rules.length} rules. Each rule says what is`,
    'promised, why it matters (where a library of today breaks it), and which functions of `LockBackend` keep it.',
    '',
    '## Levels',
    '',
    'A level is reached when all of its cases passed; a case that is not applicable to a backend is not required of it. Every level stands on `lock`. The first number of the',
    "suite's version rises when a backend that reached a level may not reach it any more, so a level is named with it:",
    `\`Holdfast conformance ${SUITE_VERSION.split('.')[0]}: lock, fencing\`. A report prints this line for what it has seen.`,
    '',
    '| level | what it says of a backend | cases |',
    '| --- | --- | --- |',
    ...levels.map(({ name, says }) => `| ${name} | ${says} | ${allCases.filter(({ level }) => level === name).length} |`),
    '',
    ...rules.flatMap((rule) => [
      `## ${rule.id}`,
      '',
      rule.says,
      '',
      `*Why:* ${rule.why}`,
      '',
      `*Look at:* ${placesOf(rule.lookAt).replaceAll(/LockBackend\.\w+/g, '`$&`')}.${standsOn(rule.standsOn)}`,
      '',
      '| case | level | what is so |',
      '| --- | --- | --- |',
      ...allCases
        .filter((one) => one.rule === rule)
        .map(({ id, level, title }) => `| \`${id}\` | ${level} | ${title.replaceAll('|', '\\|')} |`),
      '',
    ]),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

function standsOn(ids: readonly string[]): string {
  return ids.length === 0 ? '' : ` *Stands on:* ${ids.map((id) => `[${id}](#${id})`).join(', ')}.`;
}
