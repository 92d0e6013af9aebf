package holdfast.jvm;

import holdfast.jvm.OldLock.Ask;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process of the old release: several threads that take locks and write down when, until a line comes on the standard input. The history
 * is that of test/faults: System.nanoTime is the clock that all processes of a machine share.
 */
public final class Worker {
  private static final int THREADS = 2;
  private static final int LONGEST_HOLD_MS = 4;

  private final String process;
  private final String objects;
  private final String[] names;
  private final Ask[] asks;
  private final long startNs;
  private final FileOutputStream file;
  private final AtomicInteger count = new AtomicInteger();
  private final AtomicBoolean isStopping = new AtomicBoolean();

  private Worker(Map<String, String> options) throws Exception {
    process = options.get("process");
    objects = options.get("objects");
    names = options.get("names").split(",");
    asks = Arrays.stream(options.get("asks").split(",")).map(Worker::askOf).toArray(Ask[]::new);
    startNs = Long.parseLong(options.get("start"));
    file = new FileOutputStream(options.get("file"), true);
  }

  /** Arguments are {@code key=value}. */
  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (String argument : arguments) options.put(argument.substring(0, argument.indexOf('=')), argument.substring(argument.indexOf('=') + 1));
    OldLock lock = OldLocks.open(options.get("system"), options);
    new Worker(options).run(lock);
  }

  /** Such as {@code read:1} or {@code permits:2}. */
  private static Ask askOf(String text) {
    String[] parts = text.split(":");
    return new Ask(parts[0], Integer.parseInt(parts[1]));
  }

  private void run(OldLock lock) throws Exception {
    Thread[] threads = new Thread[THREADS];
    for (int index = 0; index < THREADS; index += 1) {
      threads[index] = new Thread(() -> work(lock));
      threads[index].start();
    }
    System.out.println("started");
    new BufferedReader(new InputStreamReader(System.in)).readLine();
    isStopping.set(true);
    for (Thread thread : threads) thread.join();
    System.out.println("stopped");
    // Clients of the libraries keep threads of their own.
    Runtime.getRuntime().halt(0);
  }

  private void work(OldLock lock) {
    var random = ThreadLocalRandom.current();
    try {
      while (!isStopping.get()) {
        turn(lock, names[random.nextInt(names.length)], asks[random.nextInt(asks.length)]);
        Thread.sleep(random.nextInt(LONGEST_HOLD_MS));
      }
    } catch (Throwable failure) {
      failure.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private void turn(OldLock lock, String name, Ask ask) throws Exception {
    String hold = process + "-" + count.incrementAndGet();
    String object = objects.replace("NAME", name);
    write("acquire", hold, ",\"object\":\"" + object + "\",\"mode\":\"" + ask.mode() + "\",\"permits\":" + ask.permits());
    AutoCloseable held = lock.take(name, ask);
    if (held == null) {
      write("refused", hold, ",\"why\":\"busy\"");
      return;
    }
    write("acquired", hold, ",\"token\":null");
    Thread.sleep(ThreadLocalRandom.current().nextInt(LONGEST_HOLD_MS));
    write("release", hold, "");
    held.close();
    write("released", hold, ",\"freed\":true");
  }

  private synchronized void write(String what, String hold, String rest) throws Exception {
    long at = System.nanoTime() - startNs;
    String line = "{\"at\":" + at + ",\"process\":\"" + process + "\",\"what\":\"" + what + "\",\"hold\":\"" + hold + "\"" + rest + "}\n";
    file.write(line.getBytes(StandardCharsets.UTF_8));
  }
}
