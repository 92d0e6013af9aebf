import { readFile } from 'node:fs/promises';
import type { ComparedFigure } from './compare-figures.js';

/**
 * Reads what `--json` or `--results` wrote.
 *
 * @throws Error that names the file, and what is wrong with it
 */
export async function readFigures(file: string): Promise<readonly ComparedFigure[]> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const figures = isRecord(content) ? content['figures'] : content;
  if (!Array.isArray(figures)) throw new Error(`${file} is neither a list of rows nor an object with "figures"`);
  return figures.map((figure: unknown, index) => {
    const wrong = whatIsWrong(figure);
    if (wrong !== null) throw new Error(`${file}: figure ${index}: ${wrong}`);
    return figure as ComparedFigure;
  });
}

function whatIsWrong(figure: unknown): string | null {
  if (!isRecord(figure)) return 'it must be an object';
  for (const name of ['scenario', 'library', 'backend', 'unit']) {
    if (typeof figure[name] !== 'string') return `${name} must be a string`;
  }
  for (const name of ['value', 'ratioToFloor']) {
    if (figure[name] !== null && !Number.isFinite(figure[name])) return `${name} must be a number or null`;
  }
  if (typeof figure['higherIsBetter'] !== 'boolean') return 'higherIsBetter must be true or false';
  if (!(figure['rounds'] === undefined || Number.isInteger(figure['rounds']))) return 'rounds must be an integer';
  return ['spread', 'ratioSpread'].map((name) => whatIsWrongWithSpread(name, figure[name])).find((text) => text !== null) ?? null;
}

function whatIsWrongWithSpread(name: string, spread: unknown): string | null {
  if (spread === undefined || spread === null) return null;
  return Array.isArray(spread) && spread.length === 2 && spread.every((end) => Number.isFinite(end))
    ? null
    : `${name} must be two numbers or null`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
