package holdfast.jvm;

import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import javax.sql.DataSource;
import org.springframework.data.redis.connection.RedisConnectionFactory;
import org.springframework.data.redis.core.StringRedisTemplate;

/** Locks as teams write them themselves, with the faults that these have. */
final class HomeMadeLocks {
  private static final Duration LASTS = Duration.ofSeconds(30);

  private HomeMadeLocks() {}

  static OldLock open(String system, Map<String, String> at) throws Exception {
    return switch (system) {
      case "home-made-flag" -> flag(OldLocks.dataSource(at));
      case "home-made-set-nx" -> setNx(OldLocks.redis(at));
      case "home-made-incr" -> incr(OldLocks.redis(at));
      case "home-made-file" -> file(Path.of(at.get("files")));
      default -> throw new IllegalArgumentException(system);
    };
  }

  /** A column that says whether the row is taken: read under FOR UPDATE, then set. */
  private static OldLock flag(DataSource source) {
    return (name, ask) -> {
      try (var connection = source.getConnection()) {
        connection.setAutoCommit(false);
        try (var look = connection.prepareStatement("select locked from flags where name = ? for update")) {
          look.setString(1, name);
          var row = look.executeQuery();
          if (!row.next()) throw new SQLException("no row for " + name);
          if (row.getBoolean(1)) return null;
        }
        try (var take = connection.prepareStatement("update flags set locked = true where name = ?")) {
          take.setString(1, name);
          take.executeUpdate();
        }
        connection.commit();
      }
      return () -> {
        try (var connection = source.getConnection();
            var free = connection.prepareStatement("update flags set locked = false where name = ?")) {
          free.setString(1, name);
          free.executeUpdate();
        }
      };
    };
  }

  /** SET NX with an expiry and without an owner: the release deletes whatever there is. */
  private static OldLock setNx(RedisConnectionFactory factory) {
    var redis = new StringRedisTemplate(factory);
    return (name, ask) -> {
      String key = "busy:" + name;
      return Boolean.TRUE.equals(redis.opsForValue().setIfAbsent(key, "1", LASTS)) ? () -> redis.delete(key) : null;
    };
  }

  /** A counter: who makes it 1 has the lock, and sets its expiry afterwards. */
  private static OldLock incr(RedisConnectionFactory factory) {
    var redis = new StringRedisTemplate(factory);
    return (name, ask) -> {
      String key = "count:" + name;
      Long count = redis.opsForValue().increment(key);
      if (count == null || count != 1) return null;
      redis.expire(key, LASTS);
      return () -> redis.delete(key);
    };
  }

  /** A file that must not exist yet. */
  private static OldLock file(Path directory) {
    return (name, ask) -> {
      Path lock = directory.resolve(name + ".lock");
      try {
        Files.createFile(lock);
      } catch (FileAlreadyExistsException busy) {
        return null;
      }
      return () -> Files.delete(lock);
    };
  }
}
