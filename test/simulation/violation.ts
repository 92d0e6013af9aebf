/** What a simulation found that must never be. */
export class Violation extends Error {
  /** Which rule was broken. */
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.name = 'Violation';
    this.rule = rule;
  }
}
