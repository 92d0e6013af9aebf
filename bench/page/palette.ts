/** What pictures are drawn in; each colour has one for a dark page, and appears for one purpose only. */
export const colours = {
  text: '#1f2d33',
  soft: '#51626a',
  axis: '#8a999f',
  grid: '#dfe5e8',
  ours: '#0b6e6e',
  oursLight: '#5aa9a6',
  floor: '#97a5ab',
  peers: '#a65400',
  peersLight: '#d99a52',
  series: [
    '#0b6e6e',
    '#a65400',
    '#3f62a8',
    '#8a3f8f',
    '#5f7d1e',
    '#b3261e',
    '#77664c',
    '#2f8fb3',
    '#c2447d',
    '#6a6f78',
    '#b58a00',
    '#4b5fd0',
  ],
} as const;

const dark: Readonly<Record<string, string>> = {
  [colours.text]: '#e4ecef',
  [colours.soft]: '#adbbc1',
  [colours.axis]: '#74848b',
  [colours.grid]: '#344047',
  [colours.ours]: '#5ec8c2',
  [colours.oursLight]: '#2f8480',
  [colours.floor]: '#647278',
  [colours.peers]: '#f0a95a',
  [colours.peersLight]: '#9c6a2f',
  '#3f62a8': '#8fb0f2',
  '#8a3f8f': '#d79adc',
  '#5f7d1e': '#b5d46e',
  '#b3261e': '#f2817a',
  '#77664c': '#cbb896',
  '#2f8fb3': '#7fcdea',
  '#c2447d': '#f197c0',
  '#6a6f78': '#b3b9c2',
  '#b58a00': '#ecc94b',
  '#4b5fd0': '#a6b1f5',
};

/** Rules for a picture's style that take the place of its colours on a dark page. */
export function darkRules(): string {
  return Object.entries(dark)
    .flatMap(([light, instead]) => [`[fill="${light}"]{fill:${instead}}`, `[stroke="${light}"]{stroke:${instead}}`])
    .join('');
}
