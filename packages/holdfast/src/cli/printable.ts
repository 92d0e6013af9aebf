/** What a terminal acts on or nobody sees: control and format characters, separators of lines, halves of a character. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text on one line, with nothing in it that a terminal would act on: names and labels are anybody's. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
}

/** JSON that a terminal does not act on either: what JSON lets stand as it is (DEL, C1, what turns the writing round) is escaped. */
export function printableJson(value: unknown, indent?: number): string {
  // Line breaks stand between values only; within texts they are escaped already.
  const escaped = (sign: string): string => (sign === '\n' ? sign : unitsOf(sign));
  return JSON.stringify(value, null, indent).replace(UNPRINTABLE, escaped);
}

/** As `\uXXXX`, the only way that JSON has. */
function unitsOf(sign: string): string {
  return [...Array(sign.length).keys()].map((at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
}

/** A name as it is shown in a sentence. */
export function quoted(name: string): string {
  return `"${printable(name)}"`;
}
