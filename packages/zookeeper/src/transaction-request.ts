import { Buffer } from 'node:buffer';
import { ANSWER_HEADER_BYTES, createBody, type NodeMode } from './create-request.js';
import { counted, ints, OwnRequest } from './own-request.js';
import { RefusalError } from './zookeeper-error.js';

export type Step = { readonly create: string; readonly data: Buffer; readonly mode: NodeMode } | { readonly remove: string };

const MULTI = 14;
const CREATE = 1;
const REMOVE = 2;
const ERROR = -1;
const INT_BYTES = 4;
/** Type of the step, whether there is none, and its code. */
const STEP_HEADER_BYTES = 2 * INT_BYTES + 1;
const ANY_VERSION = -1;

/** A request that is carried out as a whole or not at all. @param acl of the nodes that are made, see `encodeAcl` */
export function transactionRequest(steps: readonly Step[], acl: Buffer): OwnRequest<void> {
  const parts = steps.map((step) =>
    'create' in step
      ? Buffer.concat([stepHeader(CREATE, false), createBody(step.create, step.data, acl, step.mode)])
      : Buffer.concat([stepHeader(REMOVE, false), counted(step.remove), ints(ANY_VERSION)]),
  );
  return new OwnRequest(MULTI, Buffer.concat([...parts, stepHeader(ERROR, true)]), readOutcome);
}

/** @throws RefusalError with the code of the step that was refused; nothing was done then. @throws RangeError for a frame that is too short */
function readOutcome(frame: Buffer): void {
  // All steps are refused or none.
  if (frame.readInt32BE(ANSWER_HEADER_BYTES) !== ERROR) return;
  for (let at = ANSWER_HEADER_BYTES; frame.readUInt8(at + INT_BYTES) === 0; at += STEP_HEADER_BYTES + INT_BYTES) {
    const code = frame.readInt32BE(at + STEP_HEADER_BYTES);
    // Those before the one that was refused say 0: they were taken back.
    if (code !== 0) throw new RefusalError(code);
  }
}

function stepHeader(type: number, isEnd: boolean): Buffer {
  return Buffer.concat([ints(type), Buffer.from([isEnd ? 1 : 0]), ints(-1)]);
}
