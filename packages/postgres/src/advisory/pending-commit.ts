import { unavailableBecause } from '../postgres-error.js';

/** The commit of a hold's token. The hold may go before: that fails it. */
export class PendingCommit {
  readonly done: Promise<void>;
  #fail: (error: Error) => void = () => {};

  constructor(committed: Promise<void>) {
    this.done = new Promise((resolve, reject) => {
      this.#fail = reject;
      committed.then(resolve, reject);
    });
    // The one who asked is notified; nobody may be there any more.
    this.done.catch(() => {});
  }

  fail(): void {
    this.#fail(unavailableBecause('the hold was let go before its fencing token was committed'));
  }
}
