// Links are written for whoever reads the Markdown in the repository. Here they are made to lead to the pages of the site.
import { existsSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { pageOf, ROOT } from './pages.mjs';

/** What a README says of its own links to readers on npm; on the site every link leads to a page. */
const NOTE = /^Links that begin with `\.\.` lead to .*$/gm;

/** @param {import('vitepress').MarkdownRenderer} markdown */
export function linkPages(markdown) {
  markdown.core.ruler.before('normalize', 'no-notes', (state) => {
    state.src = state.src.replace(NOTE, '');
  });
  markdown.core.ruler.push('link-pages', (state) => {
    const file = posix.relative(ROOT, state.env.realPath ?? state.env.path);
    for (const { children } of state.tokens) {
      if (children) for (const [index, token] of children.entries()) if (token.type === 'link_open') relink(file, children, index);
    }
  });
}

/** A link to a page leads there. One to another file of the repository leads nowhere on the site, so its text alone remains. */
function relink(file, tokens, index) {
  const token = tokens[index];
  const href = token.attrGet('href') ?? '';
  if (/^([a-z]+:|#|\/)/.test(href)) return;
  const [path = '', anchor] = href.split('#');
  const target = pageAt(posix.join(posix.dirname(file), decodeURI(path)));
  if (target === 'README.md') token.attrSet('href', '/');
  else if (target.endsWith('.md')) token.attrSet('href', `/${pageOf(target)}${anchor ? `#${anchor}` : ''}`);
  else {
    if (!existsSync(ROOT + target)) throw new Error(`${file} links to ${href}, which is not there`);
    const close = tokens.findIndex((each, at) => at > index && each.type === 'link_close');
    Object.assign(token, { tag: 'span', attrs: [['title', `${target} in the repository`]] });
    Object.assign(tokens[close], { tag: 'span' });
    token.type = tokens[close].type = 'text_of_link';
  }
}

/** A folder stands for its README, as it does where repositories are browsed. */
function pageAt(path) {
  const bare = path.replace(/\/$/, '');
  const isFolder = existsSync(ROOT + bare) && statSync(ROOT + bare).isDirectory();
  return isFolder && existsSync(`${ROOT}${bare}/README.md`) ? `${bare}/README.md` : bare;
}

/** As GitHub makes anchors of headings, so that one link serves in both places. */
export function anchorOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}
