import { sqlState } from './postgres-error.js';

const NOT_SERIALIZABLE = '40001';
const MAX_TRIES = 5;

/** A role may have a stricter isolation, by which the server refuses what ran into another's row: it is sent once more. */
export async function ifSerializable<T>(statement: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      return await statement();
    } catch (error) {
      if (tries === MAX_TRIES || sqlState(error) !== NOT_SERIALIZABLE) throw error;
    }
  }
}
