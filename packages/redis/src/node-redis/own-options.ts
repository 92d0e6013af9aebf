/**
 * What every connection of our own has in common. A command must not wait in the driver for a connection: it is stamped. The driver never
 * reconnects by itself, because its timers would keep the process alive; the next command makes a new connection instead.
 */
export function ownOptions(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    // What locking needs both versions of the protocol have; this one needs no greeting, which proxies may not know.
    RESP: 2,
    ...given,
    socket: { ...(given['socket'] as object | undefined), reconnectStrategy: false, socketTimeout: undefined },
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    clientSideCache: undefined,
    emitInvalidate: false,
    pingInterval: undefined,
    readonly: false,
    keyPrefix: undefined,
    commandOptions: {},
    commandsQueueMaxLength: undefined,
  };
}
