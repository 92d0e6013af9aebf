import type { ServerHandle, TcpProxy } from '@holdfast/test/servers';
import type { StoreSettings } from './open-manager.js';

/** Something that befalls a store, or the way to it. */
export interface Fault {
  /** As docs/faults.md lists it. */
  readonly title: string;
  /** How long it lasts, in milliseconds, at least and at most; what is over at once has [0, 0]. */
  readonly lastsMs: readonly [number, number];
  /** Whether the store's documentation says that holds may be forgotten by it, so that fencing tokens alone keep the resource safe. */
  readonly forgets: boolean;
  begin(): Promise<void>;
  heal(): Promise<void>;
}

/** A store that a run uses and disturbs. */
export interface Ground {
  readonly store: StoreSettings;
  readonly faults: readonly Fault[];
  close(): Promise<void>;
}

/** Starts the servers of a store, on free ports, and says how to reach and how to disturb them. */
export type OpenGround = () => Promise<Ground>;

const SHORT: Fault['lastsMs'] = [300, 900];
/** Longer than a lease is believed in. */
const LONG: Fault['lastsMs'] = [3_500, 4_500];
const SLOW_MS = 40;

async function nothing(): Promise<void> {}

/**
 * What befalls the connections to a store. `of`: what stands before each title. `endsSessions`: the store frees what a connection holds as soon as
 * the connection ends, so a holder that stands still at that moment believes for longer.
 */
export function wireFaults(wires: readonly TcpProxy[], { of = '', endsSessions = false } = {}): Fault[] {
  const all = (act: (wire: TcpProxy) => void | Promise<void>) => async (): Promise<void> => {
    await Promise.all(wires.map(async (wire) => act(wire)));
  };
  const restore = all((wire) => wire.restore());
  const lostReplies = all((wire) => {
    wire.cut();
    return wire.restore();
  });
  const fault = (title: string, lastsMs: Fault['lastsMs'], begin: Fault['begin'], heal = restore): Fault => ({
    title: `${of}${title}`,
    lastsMs,
    forgets: false,
    begin,
    heal,
  });
  const cutting = (...parts: Parameters<typeof fault>): Fault => ({ ...fault(...parts), forgets: endsSessions });
  return [
    cutting(
      'connections cut',
      [0, 0],
      all((wire) => wire.cut()),
    ),
    cutting(
      'connections refused',
      SHORT,
      all((wire) => wire.refuse()),
    ),
    fault(
      'network silent, shorter than a lease',
      SHORT,
      all((wire) => wire.silence()),
    ),
    fault(
      'network silent, longer than a lease',
      LONG,
      all((wire) => wire.silence()),
    ),
    cutting(
      'requests arrive, replies are lost',
      SHORT,
      all((wire) => wire.silence('down')),
      lostReplies,
    ),
    cutting(
      'requests arrive late, behind a new connection',
      SHORT,
      all((wire) => wire.hold()),
      all(async (wire) => {
        wire.cutClients();
        wire.pass();
        await wire.deliver();
      }),
    ),
    fault(
      'network slow',
      SHORT,
      all((wire) => {
        wire.delayMs = SLOW_MS;
      }),
      all((wire) => {
        wire.delayMs = 0;
      }),
    ),
  ];
}

/** What befalls a server's process. `keeps`: what it is restarted with. */
export function serverFaults(server: ServerHandle, keeps: { readonly title: string; readonly forgets: boolean }, of = ''): Fault[] {
  const fault = (title: string, lastsMs: Fault['lastsMs'], begin: Fault['begin'], heal: Fault['heal']): Fault => ({
    title: `${of}${title}`,
    lastsMs,
    forgets: false,
    begin,
    heal,
  });
  return [
    fault(
      'server stands still, shorter than a lease',
      SHORT,
      () => server.pause(),
      () => server.continue(),
    ),
    fault(
      'server stands still, longer than a lease',
      LONG,
      () => server.pause(),
      () => server.continue(),
    ),
    {
      ...fault(
        `server killed and restarted ${keeps.title}`,
        [0, 300],
        () => server.kill(),
        () => server.restart(),
      ),
      forgets: keeps.forgets,
    },
  ];
}

/** Something that is over at once. */
export function blow(title: string, forgets: boolean, strike: () => Promise<void>, heal: () => Promise<void> = nothing): Fault {
  return { title, lastsMs: [0, 0], forgets, begin: strike, heal };
}
