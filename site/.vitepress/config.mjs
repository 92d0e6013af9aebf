import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { anchorOf, linkPages } from './links.mjs';
import { NO_PAGES, pageOf, sidebar } from './pages.mjs';

/** Pages that consist of tables. */
const WIDE = new Set(['docs/choosing.md', 'docs/benchmarks.md', 'docs/peers.md', 'docs/faults.md']);

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  title: 'Holdfast',
  description: 'Distributed locks for TypeScript services: Redis, Redlock, PostgreSQL, ZooKeeper and memory behind one API.',
  lang: 'en',
  // Pages are where their subject is, in docs/ and beside each package's code. Where a site is served below a path, DOCS_BASE says which.
  srcDir: '..',
  srcExclude: NO_PAGES,
  rewrites: pageOf,
  outDir: here('../dist'),
  cacheDir: here('../node_modules/.vitepress'),
  base: process.env['DOCS_BASE'] ?? '/',
  cleanUrls: true,
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `${process.env['DOCS_BASE'] ?? '/'}mark.svg` }]],
  vite: {
    publicDir: here('../public'),
    // The index of the search holds every word of every page, and is loaded when somebody searches.
    build: { chunkSizeWarningLimit: 4_000 },
    // The pages lie outside of this package and have no Vue of their own.
    resolve: { alias: [{ find: /^vue(?=$|\/)/, replacement: here('../node_modules/vue') }] },
  },
  // Wide tables need the room of the outline.
  transformPageData: ({ filePath, frontmatter }) => (WIDE.has(filePath) ? { frontmatter: { ...frontmatter, aside: false } } : undefined),
  markdown: {
    config: linkPages,
    anchor: { slugify: anchorOf },
  },
  themeConfig: {
    logo: '/mark.svg',
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Choose a store', link: '/choosing' },
      { text: 'Guides', link: '/one-at-a-time' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        detailedView: true,
        // Guides before the reference: who searches a word wants to know what it means first.
        miniSearch: { searchOptions: { boostDocument: (id) => (id.startsWith('/api/') ? 0.4 : 1) } },
      },
    },
  },
});
