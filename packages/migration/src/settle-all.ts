/** Waits for all, then throws the first failure: a promise that is pending says that the store may yet act. */
export async function settleAll<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  return (await Promise.allSettled(promises)).map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
