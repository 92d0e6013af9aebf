// What the tests use of redlock 4, which comes without types.
declare module 'redlock' {
  export default class Redlock {
    constructor(clients: readonly unknown[], options: { readonly retryCount: number });
    lock(key: string, ttlMs: number): Promise<{ unlock(): Promise<unknown> }>;
  }
}
