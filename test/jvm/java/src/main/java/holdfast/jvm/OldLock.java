package holdfast.jvm;

/** A lock of the old release: one attempt, or a wait of some seconds. */
interface OldLock {
  /** How long a call of a library that waits does so. */
  long WAIT_MS = 10_000;

  /** How it is asked for: exclusive, read, write, or a number of permits. */
  record Ask(String mode, int permits) {}

  /** How to give it back; null when it was busy. */
  AutoCloseable take(String name, Ask ask) throws Exception;
}
