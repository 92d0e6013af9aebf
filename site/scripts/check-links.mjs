// Looks whether every link of the built site leads to a page, a file and an anchor that are there: node scripts/check-links.mjs
// VitePress itself sees dead links between pages of Markdown only: no anchors, and not what the home page and the side bar link to.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('../dist/', import.meta.url));
const base = process.env['DOCS_BASE'] ?? '/';

const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html') && file !== '404.html');
const texts = new Map(pages.map((page) => [page, readFileSync(site + page, 'utf8')]));
const anchors = new Map([...texts].map(([page, text]) => [page, new Set([...text.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id))]));

let count = 0;
const dead = new Set();
for (const [page, text] of texts) {
  for (const [, escaped] of text.matchAll(/<(?:a|img|source|link)\s[^>]*?\b(?:href|src|srcset)="([^"]*)"/g)) {
    const link = escaped.replaceAll('&amp;', '&');
    if (/^([a-z]+:|\/\/)/.test(link)) continue;
    count += 1;
    if (!leadsSomewhere(page, link)) dead.add(`${page}: ${link}`);
  }
}

for (const line of dead) console.error(line);
console.log(`${pages.length} pages, ${count} links, ${dead.size} dead`);
process.exitCode = dead.size > 0 || pages.length < 10 || count === 0 ? 1 : 0;

function leadsSomewhere(page, link) {
  const [path = '', anchor] = link.split('#').map(decodeURIComponent);
  if (path.startsWith('/') && !path.startsWith(base)) return false;
  const target = path === '' ? page : path.startsWith('/') ? path.slice(base.length) : posix.join(posix.dirname(page), path);
  const file = [target, `${target}.html`, posix.join(target, 'index.html')].find(
    (each) => existsSync(site + each) && statSync(site + each).isFile(),
  );
  return file !== undefined && (!anchor || (anchors.get(file)?.has(anchor) ?? false));
}
