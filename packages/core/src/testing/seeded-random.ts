/** Numbers in [0, 1) that are the same for the same seed (xorshift32 with a multiplied output). */
export function seededRandom(seed: number): () => number {
  // A state of 0 would stay 0; the odd factor spreads neighbouring seeds apart.
  let state = Math.imul(seed >>> 0, 0x9e3779b1) >>> 0 || 0x6d2b79f5;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (Math.imul(state, 0x2c1b3c6d) >>> 0) / 2 ** 32;
  };
}
