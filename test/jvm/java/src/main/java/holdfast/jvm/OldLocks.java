package holdfast.jvm;

import com.hazelcast.client.HazelcastClient;
import com.hazelcast.client.config.ClientConfig;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.cp.lock.FencedLock;
import com.hazelcast.map.IMap;
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
import org.postgresql.ds.PGSimpleDataSource;
import org.redisson.Redisson;
import org.redisson.api.RFencedLock;
import org.redisson.api.RLock;
import org.redisson.api.RedissonClient;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.integration.jdbc.lock.DefaultLockRepository;
import org.springframework.integration.jdbc.lock.JdbcLockRegistry;
import org.springframework.integration.redis.util.RedisLockRegistry;
import org.springframework.integration.support.locks.LockRegistry;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** The locks of the libraries, each as its own documentation uses it. */
final class OldLocks {
  /** How long a call of a library that waits does so. */
  private static final long WAIT_MS = 10_000;

  /** One attempt, or a wait of some seconds: how to give it back, or null when it was busy. */
  interface OldLock {
    AutoCloseable take(String name) throws Exception;
  }

  private OldLocks() {}

  static OldLock open(String system, Map<String, String> at) throws Exception {
    return switch (system) {
      case "shedlock-jdbc" -> shedLock(new JdbcTemplateLockProvider(
          JdbcTemplateLockProvider.Configuration.builder()
              .withJdbcTemplate(new org.springframework.jdbc.core.JdbcTemplate(dataSource(at)))
              .usingDbTime()
              .build()));
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
      case "redisson" -> redissonLock(redisson(at));
      case "redisson-fenced" -> redissonFenced(redisson(at));
      case "hazelcast" -> hazelcastLock(hazelcast(at));
      case "hazelcast-map" -> hazelcastMap(hazelcast(at));
      default -> throw new IllegalArgumentException(system);
    };
  }

  private static OldLock shedLock(LockProvider provider) {
    return name -> {
      Optional<SimpleLock> lock = provider.lock(new LockConfiguration(Instant.now(), name, Duration.ofSeconds(30), Duration.ZERO));
      return lock.<AutoCloseable>map(taken -> taken::unlock).orElse(null);
    };
  }

  private static OldLock spring(LockRegistry registry) {
    return name -> {
      var lock = registry.obtain(name);
      return lock.tryLock(WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
    };
  }

  private static OldLock redissonLock(RedissonClient client) {
    return name -> {
      RLock lock = client.getLock(name);
      return lock.tryLock(WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
    };
  }

  private static OldLock redissonFenced(RedissonClient client) {
    return name -> {
      RFencedLock lock = client.getFencedLock(name);
      return lock.tryLockAndGetToken(WAIT_MS, TimeUnit.MILLISECONDS) == null ? null : lock::unlock;
    };
  }

  private static OldLock hazelcastLock(HazelcastInstance client) {
    return name -> {
      FencedLock lock = client.getCPSubsystem().getLock(name);
      return lock.tryLock(WAIT_MS, TimeUnit.MILLISECONDS) ? lock::unlock : null;
    };
  }

  private static OldLock hazelcastMap(HazelcastInstance client) {
    IMap<String, String> map = client.getMap("locks");
    return name -> map.tryLock(name, WAIT_MS, TimeUnit.MILLISECONDS) ? () -> map.unlock(name) : null;
  }

  private static PGSimpleDataSource dataSource(Map<String, String> at) {
    var source = new PGSimpleDataSource();
    source.setUrl(at.get("jdbc"));
    return source;
  }

  private static LettuceConnectionFactory redis(Map<String, String> at) {
    var factory = new LettuceConnectionFactory("127.0.0.1", Integer.parseInt(at.get("redis")));
    factory.afterPropertiesSet();
    factory.start();
    return factory;
  }

  private static RedissonClient redisson(Map<String, String> at) {
    var config = new org.redisson.config.Config();
    config.useSingleServer().setAddress("redis://127.0.0.1:" + at.get("redis")).setConnectionMinimumIdleSize(4).setConnectionPoolSize(8);
    return Redisson.create(config);
  }

  private static HazelcastInstance hazelcast(Map<String, String> at) {
    var config = new ClientConfig().setProperty("hazelcast.logging.type", "none");
    config.getNetworkConfig().addAddress("127.0.0.1:" + at.get("hazelcast"));
    return HazelcastClient.newHazelcastClient(config);
  }
}
