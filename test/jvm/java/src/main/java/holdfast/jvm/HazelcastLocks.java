package holdfast.jvm;

import com.hazelcast.client.HazelcastClient;
import com.hazelcast.client.config.ClientConfig;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.cp.ISemaphore;
import com.hazelcast.cp.lock.FencedLock;
import com.hazelcast.map.IMap;
import java.util.concurrent.TimeUnit;

/** What Hazelcast has. */
final class HazelcastLocks {
  private static final int PERMITS = 3;

  private HazelcastLocks() {}

  /** @param members the ports of the members, with commas between them */
  static OldLock open(String system, String members) {
    var config = new ClientConfig().setProperty("hazelcast.logging.type", "none");
    for (String port : members.split(",")) config.getNetworkConfig().addAddress("127.0.0.1:" + port);
    HazelcastInstance client = HazelcastClient.newHazelcastClient(config);
    IMap<String, String> map = client.getMap("locks");
    return switch (system) {
      case "hazelcast", "hazelcast-three-members" -> (name, ask) -> {
        FencedLock lock = client.getCPSubsystem().getLock(name);
        return lock.tryLock(OldLock.WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
      };
      case "hazelcast-map" -> (name, ask) -> map.tryLock(name, OldLock.WAIT_MS, TimeUnit.MILLISECONDS) ? () -> map.unlock(name) : null;
      case "hazelcast-semaphore" -> (name, ask) -> {
        ISemaphore semaphore = client.getCPSubsystem().getSemaphore(name);
        semaphore.init(PERMITS);
        boolean isTaken = semaphore.tryAcquire(ask.permits(), OldLock.WAIT_MS, TimeUnit.MILLISECONDS);
        return isTaken ? () -> semaphore.release(ask.permits()) : null;
      };
      default -> throw new IllegalArgumentException(system);
    };
  }
}
