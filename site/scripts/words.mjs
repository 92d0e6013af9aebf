// Words that our texts do without, each with what is said instead: CONTRIBUTING.md has the style, this is the part that a program can check.

/** @type {readonly (readonly [RegExp, string])[]} */
const WORDS = [
  [/\btold\b/i, 'reported, notified, distinguished'],
  [/(?<!to the |pg_catalog\.)\brights?\b(?! (after|before|behind|away|side)\b)/i, 'permission, correct'],
  [/\bwhoever\b/i, 'who it is: the holder, a client, everybody who'],
  [/\bmend(s|ed|ing)?\b/i, 'repair, free, correct'],
  [/\bfor good\b/i, 'permanently'],
  [/\bwhat is left\b/i, 'what it is: the remaining time, the rest of the group'],
  [/\bbef(?:e|a)lls?\b/i, 'happened to, happens to'],
  [/\ball the same\b/i, 'anyway, nevertheless, still'],
  [/\b(is|are) (well|ill)\b/i, 'healthy, works, unhealthy'],
  [/\bhad better\b/i, 'should'],
  [/\bknock(s|ed)?\b/i, 'connect, try'],
  [/\bas ever\b/i, 'as usual'],
  [/\bfor want of\b/i, 'because it is missing'],
];

/**
 * @param {string} text
 * @returns {readonly string[]} each word that is not to be used, with what to say
 */
export function wrongWords(text) {
  return WORDS.flatMap(([pattern, instead]) => {
    const found = pattern.exec(text);
    return found === null ? [] : [`"${found[0]}": say ${instead}`];
  });
}
