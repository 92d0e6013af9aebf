import { InvalidArgumentError } from 'commander';

/** What Node puts where the bytes of an argument are not UTF-8. */
const REPLACEMENT = '\uFFFD';

/**
 * A name, or the beginning of names, as it was typed. Bytes that are not UTF-8 would all arrive as the same sign, and two names that differ in
 * such bytes alone would be one lock.
 *
 * @throws InvalidArgumentError
 */
export function parseName(text: string): string {
  if (!text.includes(REPLACEMENT)) return text;
  throw new InvalidArgumentError(
    'It is not UTF-8, or holds the character U+FFFD, which stands for such bytes: names that differ only there would be one lock. ' +
      'Give the name in UTF-8; a name that does hold U+FFFD can be used by the library, and not on the command line.',
  );
}

/** The names of an option that takes several. @throws InvalidArgumentError */
export function parseNames(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseName(text)];
}
