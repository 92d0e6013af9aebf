// node-zookeeper-client 1.1 ships no types; this is the part of it that the benchmark uses.
declare module 'node-zookeeper-client' {
  import type { Buffer } from 'node:buffer';
  import type { EventEmitter } from 'node:events';

  type Done<T = void> = (error: Error | null, value: T) => void;

  export interface Client extends EventEmitter {
    connect(): void;
    close(): void;
    mkdirp(path: string, done: Done<string>): void;
    create(path: string, mode: number, done: Done<string>): void;
    getData(path: string, done: Done<Buffer | undefined>): void;
    setData(path: string, data: Buffer, version: number, done: Done<unknown>): void;
    getChildren(path: string, done: Done<readonly string[]>): void;
    remove(path: string, version: number, done: Done): void;
  }

  const zookeeper: {
    createClient(servers: string, options: { readonly sessionTimeout: number }): Client;
    readonly CreateMode: { readonly EPHEMERAL_SEQUENTIAL: number };
  };
  export default zookeeper;
}
