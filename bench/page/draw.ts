import { type EChartsOption, init } from 'echarts';
import { colours, darkRules } from './palette.js';

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/**
 * Draws a chart as SVG, without a browser, in the colours of a light page and of a dark one.
 *
 * @param title what the picture shows, for those who do not see it
 */
export function draw(title: string, { width, height }: { readonly width: number; readonly height: number }, option: EChartsOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: font, fontSize: 13, color: colours.text }, ...option });
    return finished(title, chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

/** Names of styles and fonts are made shorter, marks for scripts go, and a title and the dark colours come. */
function finished(title: string, svg: string): string {
  const plain = svg
    .replaceAll(/ (?:ecmeta_\w+|pointer-events|baseProfile|version|xmlns:xlink)="[^"]*"/g, '')
    .replaceAll(/ class="[^"]*"/g, '')
    .replaceAll(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    // Each picture of a process gets the next number.
    .replaceAll(/\bzr\d+-/g, 'zr-')
    .replace(/^<svg /, '<svg role="img" aria-labelledby="title" ');
  const head = `<title id="title">${escaped(title)}</title>\n<style>@media (prefers-color-scheme: dark){${darkRules()}}</style>`;
  return `${plain.replace(/^(<svg [^>]*>)/, `$1\n${head}`)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
