package holdfast.jvm;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.redisson.Redisson;
import org.redisson.api.RFencedLock;
import org.redisson.api.RLock;
import org.redisson.api.RReadWriteLock;
import org.redisson.api.RSemaphore;
import org.redisson.api.RedissonClient;
import org.redisson.config.Config;

/** What Redisson has. */
final class RedissonLocks {
  private static final int PERMITS = 3;

  private RedissonLocks() {}

  static OldLock open(String system, String port) {
    var config = new Config();
    config.useSingleServer().setAddress("redis://127.0.0.1:" + port).setConnectionMinimumIdleSize(4).setConnectionPoolSize(8);
    RedissonClient client = Redisson.create(config);
    return switch (system) {
      case "redisson" -> (name, ask) -> taken(client.getLock(name));
      case "redisson-fenced" -> (name, ask) -> {
        RFencedLock lock = client.getFencedLock(name);
        return lock.tryLockAndGetToken(OldLock.WAIT_MS, TimeUnit.MILLISECONDS) == null ? null : lock::unlock;
      };
      case "redisson-semaphore" -> (name, ask) -> {
        RSemaphore semaphore = client.getSemaphore(name);
        semaphore.trySetPermits(PERMITS);
        return semaphore.tryAcquire(ask.permits(), Duration.ofMillis(OldLock.WAIT_MS)) ? () -> semaphore.release(ask.permits()) : null;
      };
      case "redisson-read-write" -> (name, ask) -> {
        RReadWriteLock lock = client.getReadWriteLock(name);
        return taken(ask.mode().equals("read") ? lock.readLock() : lock.writeLock());
      };
      default -> throw new IllegalArgumentException(system);
    };
  }

  private static AutoCloseable taken(RLock lock) throws InterruptedException {
    return lock.tryLock(OldLock.WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
  }
}
