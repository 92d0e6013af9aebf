interface Register {
  value: number;
  token: bigint;
}

/**
 * What locks protect: numbers that refuse a fencing token below one that they have seen. To read counts as having been seen too: a holder
 * who has read must not be followed by a write of an earlier one, which would write over what it never saw.
 */
export class Registers {
  readonly #registers = new Map<string, Register>();

  /** @param write the value that it is to take; null: it is read */
  ask(object: string, token: bigint, write: number | null): { readonly accepted: boolean; readonly value: number } {
    const register = this.#registers.get(object) ?? { value: 0, token: -1n };
    this.#registers.set(object, register);
    if (token < register.token) return { accepted: false, value: register.value };
    register.token = token;
    if (write !== null) register.value = write;
    return { accepted: true, value: register.value };
  }
}
