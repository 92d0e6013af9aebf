/**
 * - `closed`: there is no connection, or it has ended;
 * - `silent`: an answer did not come in time;
 * - `late`: the store's clock refused the request twice, as one that came too late.
 */
export type FaultKind = 'closed' | 'silent' | 'late';

const TEXTS: Readonly<Record<FaultKind, string>> = {
  closed: 'the connection is closed',
  silent: 'the server did not answer in time',
  late: 'the request reached the server too late',
};

/** What befell a request on its way, as a field: nobody has to look for it in a driver's text. */
export class ConnectionFault extends Error {
  /** What befell the request. */
  readonly kind: FaultKind;

  constructor(kind: FaultKind) {
    super(TEXTS[kind]);
    this.name = 'ConnectionFault';
    this.kind = kind;
  }
}
