import { AsyncLocalStorage } from 'node:async_hooks';
import { delay } from '../expectations.js';
import type { ConformanceFaults, FaultName, LateDelivery, StoppedHow, Via } from '../harness.js';
import { lateDelivery } from './late-delivery.js';
import type { ProxyDirection } from './proxy-link.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

/** The wire between the manager of a case and its store: one proxy for each server that it reaches. */
export interface Wire {
  /** One for each server. */
  readonly proxies: readonly TcpProxy[];
  /** Delivers nothing until `restore`, in one direction or both. */
  silence(direction?: ProxyDirection | 'both'): void;
  /** Ends `silence` and `refuse`. */
  restore(): Promise<void>;
  /** Ends every open connection. */
  cut(): void;
  /** Ends every open connection, and refuses new ones until `restore`. */
  refuse(): Promise<void>;
  /** The next reply from any server is cut in its middle. */
  cutNextReply(): Promise<void>;
  /** What is sent from now on is held up until the handle delivers it. */
  late(): LateDelivery;
  /** Connections that are open now. */
  connections(): number;
}

/** The faults that the suite can make of its own on a wire; of a node where there are several. */
export const WIRE_FAULTS: ReadonlySet<FaultName> = new Set([
  'disconnect',
  'reconnect',
  'freeze',
  'thaw',
  'loseNextReply',
  'killSession',
  'deliverLate',
  'crash',
  'stopNode',
  'startNode',
] as const);

/** What was carried out is certain by then, on this machine. */
const CARRIED_OUT_MS = 60;

/**
 * Which client of which case asks. One for all cases: up to Node.js 22 every promise of the process costs something
 * for each that has ever been used, so one per case made the last of hundreds of cases slow.
 */
const opened = new AsyncLocalStorage<{ readonly wire: CaseWire; readonly client: object }>();

/** Gives the clients of one case their addresses, and keeps the proxies. */
export class CaseWire {
  /** Whether the harness has asked for any address. */
  isUsed = false;
  readonly #isOn: boolean;
  readonly #proxies = new Map<object, Map<string, Promise<TcpProxy>>>();
  readonly #started: TcpProxy[] = [];
  /** Stands for the manager of the case, and for what goes by its way. */
  readonly manager = {};

  /** @param isOn whether the case touches the wire at all */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  readonly via: Via = async (host, port) => {
    this.isUsed = true;
    if (!this.#isOn) return { host, port };
    const opening = opened.getStore();
    const client = opening?.wire === this ? opening.client : this.manager;
    const own = this.#proxies.get(client) ?? new Map<string, Promise<TcpProxy>>();
    this.#proxies.set(client, own);
    const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const starting = own.get(target) ?? startTcpProxy({ target });
    own.set(target, starting);
    const proxy = await starting;
    if (!this.#started.includes(proxy)) this.#started.push(proxy);
    return { host: proxy.host, port: proxy.port };
  };

  /** What `open` asks for belongs to this client. */
  opening<T>(client: object, open: () => T): T {
    return opened.run({ wire: this, client }, open);
  }

  async wireOf(client: object): Promise<Wire> {
    const proxies = await Promise.all([...(this.#proxies.get(client)?.values() ?? [])]);
    const each = async (act: (proxy: TcpProxy) => Promise<void>): Promise<void> => void (await Promise.all(proxies.map(act)));
    return {
      proxies,
      silence(direction) {
        for (const proxy of proxies) proxy.silence(direction);
      },
      restore: () => each((proxy) => proxy.restore()),
      cut() {
        for (const proxy of proxies) proxy.cut();
      },
      refuse: () => each((proxy) => proxy.refuse()),
      cutNextReply: () => Promise.race(proxies.map((proxy) => proxy.cutNextReply())),
      late: () => lateDelivery(proxies),
      connections: () => proxies.reduce((sum, proxy) => sum + proxy.connections, 0),
    };
  }

  /** The faults that are made here of what a client's proxies can do. */
  async faults(clientOf: (manager: object) => object, settled: () => Promise<void>): Promise<ConformanceFaults> {
    const wire = await this.wireOf(this.manager);
    return {
      disconnect: () => wire.refuse(),
      reconnect: () => wire.restore(),
      freeze: async () => wire.silence(),
      thaw: () => wire.restore(),
      killSession: async () => wire.cut(),
      deliverLate: async () => wire.late(),
      ...(wire.proxies.length > 1 ? this.#nodeFaults(settled) : {}),
      crash: async (peer) => await (await this.wireOf(clientOf(peer))).refuse(),
      async loseNextReply() {
        const sent = (): number => wire.proxies.reduce((sum, proxy) => sum + proxy.bytes.up, 0);
        const before = sent();
        wire.silence('down');
        const lose = async (): Promise<void> => {
          while (sent() === before) await delay(2);
          await delay(CARRIED_OUT_MS);
          wire.cut();
          await wire.restore();
        };
        void lose();
      },
    };
  }

  /** The first server of each client is the same one. */
  #nodeFaults(settled: () => Promise<void>): ConformanceFaults {
    const each = async (act: (proxy: TcpProxy) => unknown): Promise<void> => {
      const first = await Promise.all([...this.#proxies.values()].map(async (own) => await own.values().next().value));
      await Promise.all(first.map((proxy) => proxy && act(proxy)));
    };
    return {
      async stopNode(how: StoppedHow) {
        await settled();
        await each((proxy) => (how === 'silent' ? proxy.silence() : proxy.refuse()));
      },
      startNode: () => each((proxy) => proxy.restore()),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#started.map((proxy) => proxy.close()));
  }

  /** For a clean-up over open connections. */
  async restore(): Promise<void> {
    await Promise.all(this.#started.map((proxy) => proxy.restore()));
  }
}
