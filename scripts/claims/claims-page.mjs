// docs/claims.md: what the documentation claims, and what shows it.

const HEAD = `# What is claimed, and what shows it

<!-- Written by scripts/write-claims.mjs from docs/claims.json; do not edit. -->

Each claim of the README and of the tables of guarantees stands here with what shows it. A test fails when a claim is not listed, or when what is said to show it is
not there; a run of all tests fails when it did not run.

| shown by | what it is |
| --- | --- |
| case | a case of the [conformance suite](../packages/core/src/conformance/RULES.md), run on the store against real servers |
| test | a test of this repository, by its file and title; \`%s\` stands for the values with which it runs |
| model | a test that looks through the histories of a model, or of real code over a simulated network |
| figures | a row of a table that a test measures anew |
| no test | why it is so, where no test can show it |
`;

/**
 * @param {readonly import('./read-claims.mjs').Claim[]} claims
 * @param {ReadonlyMap<string, string>} cases the cases of the conformance suite, title by id
 */
export function claimsPage(claims, cases) {
  const sections = new Map();
  for (const claim of claims) sections.set(sectionOf(claim), [...(sections.get(sectionOf(claim)) ?? []), claim]);
  const parts = [...sections.values()].map((group) => sectionText(group, cases));
  const reasons = claims.filter(({ shownBy }) => shownBy.every(({ kind }) => kind === 'reason')).length;
  const total = `\n${claims.length} claims; no test shows ${reasons} of them.\n`;
  return `${HEAD}${total}${parts.join('')}`;
}

function sectionOf({ page, section }) {
  return `${page}#${section}`;
}

function sectionText(group, cases) {
  const [{ page, section }] = group;
  const link = page.startsWith('docs/') ? page.slice('docs/'.length) : `../${page}`;
  const lines = [`\n## ${titleOf(page)}: ${section}\n\n[${page}](${link})\n`];
  let name = null;
  for (const claim of group) {
    if (claim.name !== name) lines.push(`\n**${plain(claim.name)}**\n\n`);
    name = claim.name;
    const says = claim.text === null ? '' : `${claim.store}: "${plain(claim.text)}"`;
    const shown = claim.shownBy.map((each) => `- ${evidenceText(each, cases)}\n`).join('');
    lines.push(says === '' ? shown : `${says}\n\n${shown}\n`);
  }
  return lines.join('').trimEnd() + '\n';
}

function evidenceText({ kind, file, name }, cases) {
  if (kind === 'reason') return `no test: ${name}`;
  if (kind === 'suite') return `case \`${name}\`: ${plain(cases.get(name) ?? '')}`;
  if (kind === 'figures') return `figures: row "${name}" of \`${file}\``;
  return `${kind} "${plain(name)}" in \`${file}\``;
}

/** Links would lead elsewhere from here, and what looks like HTML or a template would be taken for one. */
function plain(text) {
  return text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\$\{(\w+)\}/g, '%s')
    .replaceAll('<', '&lt;');
}

function titleOf(page) {
  return page === 'README.md' ? 'README' : page.replace(/^docs\/|\.md$/g, '').replace(/^packages\/(\w+)\/README$/, '@holdfast/$1');
}
