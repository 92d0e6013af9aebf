import {
  type Command,
  ConnectionFault,
  Contact,
  type FailureRules,
  type Link,
  type Step,
  type StoreConnection,
} from '@holdfast/core/backend';

export const grant: Step = { name: 'grant', most: 8, expires: true, grants: true, frees: false };
export const free: Step = { name: 'free', most: 8, expires: false, grants: false, frees: true };

/** Frees one owner's hold and grants to another. */
export const handOver: Step = { name: 'hand over', most: 1, expires: true, grants: true, frees: true };

export class Failure extends Error {
  readonly wasSent: boolean;
  readonly reason: unknown;

  constructor(reason: unknown, wasSent: boolean) {
    super('failed', { cause: reason });
    this.reason = reason;
    this.wasSent = wasSent;
  }
}

export const failureRules: FailureRules = {
  failureOf: (error, _lockName, wasSent) => (error instanceof Failure ? error : new Failure(error, wasSent)),
  wasSent: (failure) => failure instanceof Failure && failure.wasSent,
  isPermanent: () => false,
  asSent: (failure) => (failure instanceof Failure ? new Failure(failure.reason, true) : failure),
};

/** What a test sees of a command, and how it is answered. */
export interface Sent {
  readonly step: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  answer(...list: unknown[]): void;
  fail(error: unknown): void;
}

/** A connection whose server is the test. */
export class FakeConnection implements StoreConnection<Step> {
  readonly sent: Sent[] = [];
  isOpen = true;
  givenUp = 0;

  send(commands: readonly Command<Step>[]): readonly Promise<unknown>[] {
    return commands.map(
      ({ step, keys, args }) =>
        new Promise((resolve, reject) => {
          this.sent.push({
            step: step.name,
            keys: [...keys],
            args: [...args],
            answer: (...list) => resolve(list),
            fail: reject as (error: unknown) => void,
          });
        }),
    );
  }

  giveUp(): void {
    this.givenUp += 1;
    this.end();
  }

  end(): void {
    this.isOpen = false;
    for (const { fail } of this.sent) fail(new ConnectionFault('closed'));
  }

  async listen(): Promise<() => void> {
    return () => {};
  }

  close(): void {
    this.end();
  }

  take(): Sent {
    const next = this.sent.shift();
    if (next === undefined) throw new Error('nothing was sent');
    return next;
  }
}

/** A link whose connections are made at once, or when the test says so. */
export class FakeLink implements Link<Step> {
  readonly made: FakeConnection[] = [];
  readonly openedWithin: number[] = [];
  gate: Promise<void> = Promise.resolve();
  #contact: Contact<Step> | null = null;

  get current(): Contact<Step> | null {
    return this.#contact?.connection.isOpen === true ? this.#contact : null;
  }

  get connection(): FakeConnection {
    const last = this.made.at(-1);
    if (last === undefined) throw new Error('no connection yet');
    return last;
  }

  async open(timeoutMs: number): Promise<Contact<Step>> {
    this.openedWithin.push(timeoutMs);
    await this.gate;
    const connection = new FakeConnection();
    this.made.push(connection);
    this.#contact = new Contact<Step>(connection);
    return this.#contact;
  }

  close(): void {}
}
