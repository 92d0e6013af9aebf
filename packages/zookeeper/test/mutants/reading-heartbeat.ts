import type { DriverClient } from '../../src/zookeeper-client.js';

/**
 * Breaks "only a majority counts": the heartbeat reads the session's node instead of writing it. A server that is cut off from its leader
 * answers that for as long as it does not notice.
 */
export function breakHeartbeat(client: DriverClient): void {
  const setData = client.setData.bind(client);
  client.setData = (path, data, version, done) => {
    if (/\/sessions\/[0-9a-f]{16}$/.test(path)) client.getData(path, undefined, (error, _data, stat) => done(error, stat));
    else setData(path, data, version, done);
  };
}
