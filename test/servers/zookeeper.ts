import { AddressServer } from './address-server.js';
import { askZooKeeper } from './ask-zookeeper.js';
import { findAddress } from './find-source.js';
import type { OwnServer, ServerHandle } from './server-handle.js';
import { buildInPlace, type ServerPlace } from './server-place.js';
import type { LaunchPlan, ServerSpec } from './server-spec.js';

/** Directives of zoo.cfg. */
export type ZooKeeperConfig = Readonly<Record<string, string | number>>;

export interface ZooKeeperOptions {
  /** Over the defaults: ticks of 200 ms, sessions from 400 ms to a minute, all four-letter words. */
  readonly config?: ZooKeeperConfig | undefined;
  /** A transaction log to begin with, as a server writes it: for states that take too long to reach by requests. */
  readonly transactions?: Buffer | undefined;
}

/** One ZooKeeper server that answers on 127.0.0.1. */
export interface ZooKeeperServer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  /** `zookeeper://127.0.0.1:port`. */
  readonly url: string;
}

export const zooKeeperSpec: ServerSpec = {
  title: 'ZooKeeper',
  binary: 'zkServer.sh',
  addressVariable: 'HOLDFAST_TEST_ZOOKEEPER_URL',
  imageVariable: 'HOLDFAST_TEST_ZOOKEEPER_IMAGE',
  image: 'zookeeper:3.9',
  imagePort: 2181,
  debianPackage: 'zookeeper',
  directories: ['/usr/share/zookeeper/bin'],
  launcher: 'sh',
};

/**
 * Starts the JVM itself. zkServer.sh wants the configuration, log and pid of the one server that a machine has, and opens a JMX
 * port. A small heap and the first compiler alone: a test's server starts in a second and does little.
 */
const LAUNCH = `
directory=$1
[ ! -e "$directory/log.1" ] || { mkdir -p "$directory/version-2" && mv "$directory/log.1" "$directory/version-2/log.1"; }
server=$(command -v zkServer.sh || echo /usr/share/zookeeper/bin/zkServer.sh)
home=$(dirname "$(dirname "$(readlink -f "$server")")")
jars="$home/lib/*:$home/*"
# Debian keeps the jars of all its packages together.
[ ! -e "$home/../java/zookeeper.jar" ] || jars=$home/../java/zookeeper.jar:$home/../java/slf4j-simple.jar
java=java
[ -z "$JAVA_HOME" ] || java=$JAVA_HOME/bin/java
exec "$java" -Xms32m -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto \\
  -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=1024 -Dzookeeper.jmx.log4j.disable=true -Dzookeeper.snapshot.trust.empty=true \\
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dlogback.configurationFile="$directory/logback.xml" \\
  -cp "$jars" org.apache.zookeeper.server.quorum.QuorumPeerMain "$directory/zoo.cfg"
`;

const LOGBACK = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%level %logger %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
`;

const defaults: ZooKeeperConfig = {
  tickTime: 200,
  minSessionTimeout: 400,
  maxSessionTimeout: 60_000,
  maxClientCnxns: 0,
  'admin.enableServer': 'false',
  '4lw.commands.whitelist': '*',
};

/**
 * Starts a ZooKeeper of this test's own, in about a second; or stands in front of the one that HOLDFAST_TEST_ZOOKEEPER_URL names, if no
 * configuration of its own is asked for.
 */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const address = options.config || options.transactions ? null : findAddress(zooKeeperSpec);
  if (address) return AddressServer.open(zooKeeperSpec, ['zookeeper'], address);
  return buildInPlace(zooKeeperSpec, { count: 1 }, (place) => startZooKeeperIn(place, 0, options));
}

/** Starts one server on the place's port of this index, as a member of an ensemble if it is given an id. */
export async function startZooKeeperIn(
  place: ServerPlace,
  index: number,
  options: ZooKeeperOptions & { readonly id?: number },
): Promise<ZooKeeperServer> {
  const port = place.ports[index];
  if (port === undefined) throw new RangeError(`this place has no port number ${index}`);
  // The data go into the server's own directory, where it is started. (It cuts a path of one character with an exception.)
  const config = { ...defaults, dataDir: './.', clientPort: port, clientPortAddress: place.bindAddress, ...options.config };
  const plan: LaunchPlan = {
    files: {
      'launch.sh': LAUNCH,
      'logback.xml': LOGBACK,
      'zoo.cfg': Object.entries(config)
        .map(([directive, value]) => `${directive}=${value}\n`)
        .join(''),
      ...(options.transactions === undefined ? {} : { 'log.1': options.transactions }),
      ...(options.id === undefined ? {} : { myid: `${options.id}\n` }),
    },
    args: (directory) => [`${directory}/launch.sh`, directory],
    ports: [port],
    isReady: async () => /^Mode: (?:standalone|leader|follower)/m.test(await askZooKeeper(port, 'srvr')),
  };
  return withAddress(await place.start(plan), port);
}

function withAddress(server: OwnServer, port: number): ZooKeeperServer {
  return Object.assign(server, { host: '127.0.0.1', port, url: `zookeeper://127.0.0.1:${port}` });
}
