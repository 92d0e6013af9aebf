import type { HoldRequest } from '@holdfast/core';

/** What a request's node says besides its name, for those who look at it. */
export interface NodeNote {
  /** Who asks; null where the node does not say so. */
  readonly label: string | null;
  /** For how long a holder had stood in line before the hold was granted, in milliseconds; 0 where the node does not say so. */
  readonly waitedMs: number;
}

/** @param waitedMs for how long the request stood in line, once that is over */
export function nodeData({ label }: Pick<HoldRequest, 'label'>, waitedMs = 0): Buffer {
  return Buffer.from(JSON.stringify(waitedMs > 0 ? { label, waitedMs } : { label }), 'utf8');
}

/** Of a node of another program, or one that was written to by hand, nothing is known. */
export function readNodeData(data: Buffer): NodeNote {
  try {
    const { label, waitedMs } = JSON.parse(data.toString('utf8')) as { readonly label?: unknown; readonly waitedMs?: unknown };
    return {
      label: typeof label === 'string' ? label : null,
      waitedMs: typeof waitedMs === 'number' && Number.isSafeInteger(waitedMs) && waitedMs > 0 ? waitedMs : 0,
    };
  } catch {
    return { label: null, waitedMs: 0 };
  }
}
