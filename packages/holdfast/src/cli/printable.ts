/** What a terminal acts on or nobody sees: control and format characters, separators of lines, halves of a character. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text on one line, with nothing in it that a terminal would act on: names and labels are anybody's. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A name as it is shown in a sentence. */
export function quoted(name: string): string {
  return `"${printable(name)}"`;
}
