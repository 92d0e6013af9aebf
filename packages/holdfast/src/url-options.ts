import { LockArgumentError, type OptionRule, readOptions } from '@holdfast/core';
import { isUtf8Query } from './is-utf8-query.js';

/** A URL and the options that its query carried. */
export interface UrlWithOptions {
  /** The URL without its query. */
  readonly url: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Takes the options out of a URL's query: `redis://host?prefix=app:&fair=true`. Their names are those of the options
 * of `connect`; a value is read as the text, the switch or the number that the option's rule accepts, in this order.
 *
 * @throws LockArgumentError for an option that is unknown, twice there, or that a URL cannot carry. No value is shown.
 */
export function takeUrlOptions(where: string, url: string, rules: Readonly<Record<string, OptionRule>>): UrlWithOptions {
  const fail = (message: string, option = 'url'): never => {
    throw new LockArgumentError(`${where}: ${message}`, { option });
  };
  const start = url.search(/[?#]/);
  if (start < 0) return { url, options: {} };
  const query = url.slice(start + 1);
  // Then the ? or # is part of a password, and what follows must be neither read nor shown as an option.
  if (query.includes('@'))
    fail('the URL has an @ after a ? or #; in user and password write ? as %3F, # as %23 and / as %2F, and in an option write @ as %40');
  if (url[start] === '#' || query.includes('#'))
    fail('the URL has a #, which has no meaning there; within a password or an option write it as %23');
  if (!isUtf8Query(query))
    fail('the URL has bytes behind its ? that are not UTF-8, such as %FF; write each character as its bytes in UTF-8');

  const options: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      // It may be the rest of a password that holds a ?, and no name.
      if (text === '' || !/^[a-z_][\w-]{0,39}$/i.test(name)) fail('the URL has something behind its ? that is no option, name=value');
      readOptions(`${where}: the URL`, { [name]: text }, carried(rules));
    } else {
      if (Object.hasOwn(options, name)) fail(`the option ${name} is twice in the URL`, name);
      const value = read(text, rule);
      options[name] = value === undefined ? fail(`the option ${name} in the URL ${String(rule(text))}`, name) : value.accepted;
    }
  }
  return { url: url.slice(0, start), options };
}

function read(text: string, rule: OptionRule): { readonly accepted: unknown } | undefined {
  const candidates: unknown[] = [text];
  if (text === 'true' || text === 'false') candidates.push(text === 'true');
  if (/^(?:-?\d+|Infinity)$/.test(text)) candidates.push(Number(text));
  const accepted = candidates.findIndex((candidate) => rule(candidate) === null);
  return accepted < 0 ? undefined : { accepted: candidates[accepted] };
}

/** The options that a URL can carry: not those that take functions or objects. */
function carried(rules: Readonly<Record<string, OptionRule>>): Readonly<Record<string, OptionRule>> {
  return Object.fromEntries(Object.entries(rules).filter(([, rule]) => rule(noop) !== null && rule({}) !== null));
}

function noop(): void {}
