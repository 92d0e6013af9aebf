/** Text within XML and HTML. What XML has no way of saying is shown as its number. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']|[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, (sign) => {
    const entity = ENTITIES[sign];
    return entity ?? `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

const ENTITIES: Readonly<Record<string, string | undefined>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
