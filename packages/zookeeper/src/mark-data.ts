/** What the node of a mark says. */
export interface MarkData {
  readonly retentionMs: number;
  /** '' for one that nobody is named for. */
  readonly owner: string;
  readonly label: string;
  /** The folder in which it is noted when it ends. */
  readonly folder: string;
}

/** One that is not ours to expire. */
const FOREIGN: MarkData = { retentionMs: Number.POSITIVE_INFINITY, owner: '', label: '', folder: '' };

export function textOf(data: MarkData): Buffer {
  return Buffer.from(JSON.stringify(data), 'utf8');
}

export function markDataOf(text: Buffer): MarkData {
  try {
    const { retentionMs, owner, label, folder } = JSON.parse(text.toString('utf8')) as Readonly<Record<keyof MarkData, unknown>>;
    if (typeof retentionMs !== 'number') return FOREIGN;
    const string = (value: unknown): string => (typeof value === 'string' ? value : '');
    return { retentionMs, owner: string(owner), label: string(label), folder: string(folder) };
  } catch {
    return FOREIGN;
  }
}
