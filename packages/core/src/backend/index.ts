/**
 * What every backend needs and none should copy: a call under a deadline, a sender of batches, the list of those who wait, the
 * server's clock as it is seen from here, what a lost answer may yet do. For authors of backends, besides the contract.
 */
export { labelOf } from '../annotation.js';
export { inParts } from '../calls/in-parts.js';
export { KeepAlive } from '../calls/keep-alive.js';
export { CALL_CHANNEL, observeBackend, type ObservedCall } from '../calls/observe-backend.js';
export { byPartition } from '../calls/partitions.js';
export { addTo, groupBy, removeFrom } from '../groups.js';
export { kindOf } from '../kind-of.js';
export { guardMs } from '../time/guard.js';
export { elapsedSince, stampOf } from '../time/stamp.js';
export { type TimerEntry, TimerQueue } from '../time/timer-queue.js';
export { allOrWorst } from './all-or-worst.js';
export { setAnswerDeadline } from './answer-deadline.js';
export { BatchSender } from './batch-sender.js';
export { type Command, Contact, type Link, type Step, type StoreConnection } from './connection.js';
export { ConnectionFault, type FaultKind } from './connection-fault.js';
export { type DriverSource, driverLoader, isDriverMissing } from './driver-loader.js';
export { GrantLedger, type OpenGrant } from './grant-ledger.js';
export { hasMethods } from './has-methods.js';
export { type LineSign, LineSigns, type RidingSign, SIGN_VALID_MS } from './line-signs.js';
export { clockLook, fine, harmful, type Look, unseen } from './looks.js';
export type { FailureRules, Piece, Read, Receiver, Verdict } from './piece.js';
export { ReplyList } from './reply-list.js';
export { isPast, notAfterFrom, ServerClock, surelyPastMs, windowMs } from './server-clock.js';
export type { SenderParts } from './sender-parts.js';
export { decodePart, refuseLateUser } from './url-parts.js';
export { type WakeEntry, WakeList } from './wake-list.js';
export { within } from './within.js';
