/** A part of a URL without its percent-encoding. @param wrong makes the error that names the rule */
export function decodePart(text: string, wrong: (rule: string) => Error): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('a % in it is not followed by two hex digits; write %25 for the sign itself');
  }
}

/**
 * Of a URL with several hosts: refuses a user before the second host. Else the first hosts would be taken for a part of the password, and left out.
 *
 * @param wrong makes the error that names the rule
 */
export function refuseLateUser(credentials: string | undefined, wrong: (rule: string) => Error): void {
  if (/@.*,/s.test(credentials ?? ''))
    throw wrong('a user and a password stand once, before all hosts; in them write %40 for an @ and %2C for a comma');
}
