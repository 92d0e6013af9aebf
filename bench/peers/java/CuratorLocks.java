import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;

/**
 * Curator's mutex for a process that talks in lines: "take ID PATH" and "free ID" on the standard input, "done ID" or "failed ID WHY" on the standard
 * output. Argument: the servers. A mutex belongs to a thread, so each hold has one of its own while it lasts.
 */
public final class CuratorLocks {
  private record Hold(InterProcessMutex mutex, ExecutorService thread) {}

  private interface Step {
    void run() throws Exception;
  }

  private static final Map<String, Hold> holds = new ConcurrentHashMap<>();
  private static final BlockingQueue<ExecutorService> idle = new LinkedBlockingQueue<>();
  private static final PrintStream out = new PrintStream(System.out, true);

  public static void main(String[] args) throws Exception {
    try (CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], new ExponentialBackoffRetry(1_000, 3))) {
      client.start();
      client.blockUntilConnected();
      out.println("done start");
      BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] words = line.split(" ");
        if (words[0].equals("take")) take(client, words[1], words[2]);
        else free(words[1]);
      }
    }
    System.exit(0);
  }

  private static void take(CuratorFramework client, String id, String path) {
    ExecutorService known = idle.poll();
    ExecutorService thread = known == null ? Executors.newSingleThreadExecutor() : known;
    InterProcessMutex mutex = new InterProcessMutex(client, path);
    answer(thread, id, () -> {
      mutex.acquire();
      holds.put(id, new Hold(mutex, thread));
    });
  }

  private static void free(String id) {
    Hold hold = holds.remove(id);
    answer(hold.thread(), id, () -> {
      hold.mutex().release();
      idle.add(hold.thread());
    });
  }

  private static void answer(ExecutorService thread, String id, Step step) {
    thread.execute(() -> {
      try {
        step.run();
        out.println("done " + id);
      } catch (Exception error) {
        out.println("failed " + id + " " + error);
      }
    });
  }
}
