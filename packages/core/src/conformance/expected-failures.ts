/**
 * Reads a list of expected failures: the id of a case on each line, what stands behind a # is for people.
 *
 * @throws RangeError where a line names no case of the suite: a case that was renamed must not be expected for ever
 */
export function parseExpectedFailures(text: string, caseIds: readonly string[]): ReadonlySet<string> {
  const known = new Set(caseIds);
  const expected = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const id = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (id === '') continue;
    if (!known.has(id)) throw new RangeError(`line ${index + 1} of the expected failures: there is no case ${JSON.stringify(id)}`);
    expected.add(id);
  }
  return expected;
}
