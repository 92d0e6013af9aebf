import { hasMethods } from '@holdfast/core/backend';

/** What Holdfast needs of a client of Valkey GLIDE (`@valkey/valkey-glide`), from 2.3 on: a `GlideClient` or a `GlideClusterClient`. */
export interface GlideClient {
  /** Sends a command. */
  customCommand(words: string[]): Promise<unknown>;
  /** Hears channels: from 2.3 on. */
  subscribe(channels: string[], timeoutMs: number): Promise<void>;
  /** Ends the client; called on clients of our own alone. */
  close(): void;
}

/** Which node of a cluster a command goes to. */
export type GlideRoute =
  | 'randomNode'
  | { readonly type: 'primarySlotId'; readonly id: number }
  | { readonly type: 'routeByAddress'; readonly host: string; readonly port: number };

/** Settings as GLIDE has them. */
export type GlideSettings = Readonly<Record<string, unknown>> & { readonly readFrom?: unknown; readonly readOnly?: unknown };

/** The rest of what is used, of clients that were recognised. */
export interface GlideDriverClient extends GlideClient {
  customCommand(words: readonly string[], options?: { readonly decoder?: number; readonly route?: GlideRoute }): Promise<unknown>;
  subscribe(channels: readonly string[], timeoutMs: number): Promise<void>;
  unsubscribeLazy(channels: readonly string[]): Promise<void>;
  /** What the client was made with: by it further clients are made. Private in the driver's types. */
  readonly config?: GlideSettings;
  /** Protected in the driver's types. */
  readonly isClosed: boolean;
  /** The way to the driver's core, which keeps the process alive. Private in the driver's types. */
  readonly socket?: { unref?(): void };
  readonly constructor: GlideFactory;
}

/** The class of a client. */
export interface GlideFactory {
  createClient(settings: object): Promise<GlideDriverClient>;
}

/** Whether a value looks like a client of GLIDE 2.3 or later. */
export function isGlideClient(value: unknown): value is GlideDriverClient {
  const methods = ['customCommand', 'invokeScript', 'close', 'subscribe', 'unsubscribeLazy'];
  return hasMethods(value, ...methods) && typeof (value as { readonly config?: unknown }).config === 'object';
}

/** Of a client of GLIDE: whether it stands for a cluster. */
export function isGlideCluster(client: GlideDriverClient): boolean {
  return hasMethods(client, 'invokeScriptWithRoute');
}
