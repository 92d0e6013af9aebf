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

/** What happened to a request on its way, as a field: nobody has to search a driver's text for it. */
export class ConnectionFault extends Error {
  /** What happened to the request. */
  readonly kind: FaultKind;

  constructor(kind: FaultKind) {
    super(TEXTS[kind]);
    this.name = 'ConnectionFault';
    this.kind = kind;
  }
}
