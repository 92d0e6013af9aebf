/** Stands between a label and its annotation in what a store keeps. */
const MARK = '\u001f';
const MAX_BYTES = 256;
/** The longest label with its annotation, in bytes: what stores are made for. */
const MAX_TOGETHER_BYTES = 1024;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What a listener has set, if it can be kept: anything else is left out, as a lease must not depend on an observer. */
export function readAnnotation(value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.includes(MARK) || value.includes('\0')) return null;
  return value.isWellFormed() && Buffer.byteLength(value) <= MAX_BYTES ? value : null;
}

/** One string for the store, of which `takeApart` finds the label however it is spelled. */
export function annotate(label: string, annotation: string | null): string {
  if (annotation === null && !label.includes(MARK)) return label;
  const together = `${label}${MARK}${annotation ?? ''}`;
  return Buffer.byteLength(together) <= MAX_TOGETHER_BYTES ? together : label;
}

/** The label and the annotation that a store has kept. */
export function takeApart(kept: string): { readonly label: string; readonly annotation: string | null } {
  const at = kept.lastIndexOf(MARK);
  return at < 0 ? { label: kept, annotation: null } : { label: kept.slice(0, at), annotation: kept.slice(at + 1) || null };
}

/** The label alone: for stores that show it to other programs. */
export function labelOf(kept: string): string {
  return takeApart(kept).label;
}

/** An annotation that is a W3C traceparent; whatever else stands there is not passed on as one. */
export function traceparentOf(annotation: string | null): string | null {
  return annotation !== null && TRACEPARENT.test(annotation) ? annotation : null;
}
