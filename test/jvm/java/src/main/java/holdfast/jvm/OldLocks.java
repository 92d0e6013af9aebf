package holdfast.jvm;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import net.javacrumbs.shedlock.core.LockConfiguration;
import net.javacrumbs.shedlock.core.LockProvider;
import net.javacrumbs.shedlock.core.SimpleLock;
import net.javacrumbs.shedlock.provider.jdbctemplate.JdbcTemplateLockProvider;
import net.javacrumbs.shedlock.provider.redis.spring.RedisLockProvider;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.postgresql.ds.PGSimpleDataSource;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.integration.jdbc.lock.DefaultLockRepository;
import org.springframework.integration.jdbc.lock.JdbcLockRegistry;
import org.springframework.integration.redis.util.RedisLockRegistry;
import org.springframework.integration.support.locks.LockRegistry;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** The locks of the libraries, each as its own documentation uses it. */
final class OldLocks {
  private OldLocks() {}

  static OldLock open(String system, Map<String, String> at) throws Exception {
    if (system.startsWith("redisson")) return RedissonLocks.open(system, at.get("redis"));
    if (system.startsWith("hazelcast")) return HazelcastLocks.open(system, at.get("hazelcast"));
    if (system.startsWith("home-made")) return HomeMadeLocks.open(system, at);
    return switch (system) {
      case "shedlock-jdbc" -> shedLock(new JdbcTemplateLockProvider(
          JdbcTemplateLockProvider.Configuration.builder().withJdbcTemplate(new JdbcTemplate(dataSource(at))).usingDbTime().build()));
      case "shedlock-redis" -> shedLock(new RedisLockProvider(redis(at), "shop"));
      case "spring-redis" -> spring(new RedisLockRegistry(redis(at), "registry", 30_000));
      case "spring-jdbc" -> {
        var source = dataSource(at);
        var repository = new DefaultLockRepository(source);
        repository.setTransactionManager(new DataSourceTransactionManager(source));
        repository.afterPropertiesSet();
        repository.afterSingletonsInstantiated();
        repository.start();
        yield spring(new JdbcLockRegistry(repository));
      }
      case "curator" -> curator(at);
      default -> throw new IllegalArgumentException(system);
    };
  }

  private static OldLock shedLock(LockProvider provider) {
    return (name, ask) -> {
      Optional<SimpleLock> lock = provider.lock(new LockConfiguration(Instant.now(), name, Duration.ofSeconds(30), Duration.ZERO));
      return lock.<AutoCloseable>map(taken -> taken::unlock).orElse(null);
    };
  }

  private static OldLock spring(LockRegistry registry) {
    return (name, ask) -> {
      var lock = registry.obtain(name);
      return lock.tryLock(OldLock.WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
    };
  }

  private static OldLock curator(Map<String, String> at) {
    CuratorFramework client = CuratorFrameworkFactory.newClient(at.get("zookeeper"), new ExponentialBackoffRetry(100, 5));
    client.start();
    return (name, ask) -> {
      var mutex = new InterProcessMutex(client, "/locks/" + name);
      return mutex.acquire(OldLock.WAIT_MS, TimeUnit.MILLISECONDS) ? mutex::release : null;
    };
  }

  static PGSimpleDataSource dataSource(Map<String, String> at) {
    var source = new PGSimpleDataSource();
    source.setUrl(at.get("jdbc"));
    return source;
  }

  static LettuceConnectionFactory redis(Map<String, String> at) {
    var factory = new LettuceConnectionFactory("127.0.0.1", Integer.parseInt(at.get("redis")));
    factory.afterPropertiesSet();
    factory.start();
    return factory;
  }
}
