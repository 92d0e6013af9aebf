// docs/claims.json, each claim with its words on the page that makes it and with what shows it.
import { readFileSync } from 'node:fs';

/** The table whose rows other sections refer to: `as: ROW`. */
const REFERENCE = { page: 'docs/choosing.md', section: 'What each store guarantees' };
const KINDS = ['suite', 'test', 'model', 'figures', 'reason'];

/**
 * @typedef {{ kind: 'suite' | 'test' | 'model' | 'figures' | 'reason', file: string, name: string }} Evidence
 * `suite`: a case of the conformance suite. `test` and `model`: a test by its file and its title. `figures`: a row of a table of figures that a test keeps
 * true. `reason`: no test shows it, and why it is so nevertheless.
 * @typedef {{ page: string, section: string, name: string, store: string | null, text: string, shownBy: readonly Evidence[] }} Claim
 */

/**
 * @param {string} root the repository, with a slash at its end
 * @param {any} claims what docs/claims.json says
 * @returns {{ claims: readonly Claim[], suites: Record<string, readonly string[]>, problems: readonly string[] }}
 */
export function readClaims(root, claims) {
  const problems = [];
  const reference = claims.sections.find(({ page, section }) => page === REFERENCE.page && section === REFERENCE.section);
  const stores = Object.keys(claims.suites);

  const found = claims.sections.flatMap(({ page, section, store = null, texts = {}, rows = {} }) => {
    const where = `${page}, "${section}"`;
    const text = sectionOf(readFileSync(root + page, 'utf8'), section);
    if (text === null) {
      problems.push(`${where}: there is no such section`);
      return [];
    }
    const claim = (name, forStore, words, shown) => ({
      page,
      section,
      name,
      store: forStore,
      text: words,
      shownBy: evidenceOf(shown, forStore),
    });
    const evidenceOf = (shown, forStore) => {
      if (typeof shown !== 'string') return (shown ?? []).map(parse);
      const row = reference?.rows[shown.replace(/^as: /, '')];
      if (row === undefined) problems.push(`${where}: "${shown}" is no row of ${REFERENCE.page}`);
      return (row?.[forStore] ?? []).map(parse);
    };
    const fromTexts = Object.entries(texts).map(([name, shown]) => {
      if (!oneLine(text).includes(name)) problems.push(`${where}: the words "${name}" do not stand there`);
      return claim(name, store, null, shown);
    });
    const table = rowsOf(text);
    const fromRows = Object.entries(rows).flatMap(([name, shown]) => {
      const cells = table.find((row) => row.name === name)?.cells;
      if (cells === undefined) problems.push(`${where}: there is no row "${name}"`);
      else if (store !== null) return [claim(name, store, Object.values(cells).join('; '), shown)];
      return stores
        .filter((each) => cells !== undefined && isClaim(cells[each]))
        .map((each) => claim(name, each, cells[each], typeof shown === 'string' ? shown : shown[each]));
    });

    // Nothing that the section promises may be left out.
    for (const [, lead] of text.matchAll(/^- \*\*(.*?)\*\*/gm)) {
      if (Object.keys(texts).length > 0 && !(lead in texts) && !Object.keys(texts).some((name) => lead.startsWith(name))) {
        problems.push(`${where}: nothing shows "${lead}"`);
      }
    }
    if (Object.keys(rows).length > 0) {
      for (const { name } of table) if (!(name in rows)) problems.push(`${where}: nothing shows the row "${name}"`);
    }
    return [...fromTexts, ...fromRows];
  });
  for (const { page, section, name, store, shownBy } of found) {
    if (shownBy.length === 0) problems.push(`${page}, "${section}": nothing shows "${name}"${store === null ? '' : ` of ${store}`}`);
  }
  return { claims: found, suites: claims.suites, problems };
}

function parse(text) {
  const [, kind = '', rest = ''] = /^(\w+): (.*)$/s.exec(text) ?? [];
  if (!KINDS.includes(kind)) throw new Error(`docs/claims.json: "${text}" begins with none of ${KINDS.join(', ')}`);
  const [file, ...title] = rest.split(' > ');
  return title.length > 0 ? { kind, file, name: title.join(' > ') } : { kind, file: '', name: rest };
}

/** "-" says nothing, and neither does what does not apply. */
function isClaim(cell) {
  return cell !== undefined && cell !== '-' && cell !== 'does not apply';
}

/** What stands under a heading, without what stands under the headings within. */
function sectionOf(page, heading) {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  if (start === -1) return null;
  const length = lines.slice(start + 1).findIndex((line) => /^#+ /.test(line));
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n');
}

/** The rows of all tables, each with its first cell as its name and the others by their columns. */
export function rowsOf(text) {
  let columns = null;
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('|')) {
      columns = null;
      return [];
    }
    const [name, ...cells] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    if (columns === null) {
      columns = cells;
      return [];
    }
    return /^-+$/.test(name) ? [] : [{ name, cells: Object.fromEntries(cells.map((cell, index) => [columns[index], cell])) }];
  });
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ');
}
