import { type FileHandle, open } from 'node:fs/promises';

const GRANT = '"what":"acquired"';
const LINE_END = 10;

/** How many grants a history has that is still being written. It reads what is new only: histories grow long, and are looked at often. */
export class GrantCount {
  readonly #file: string;
  #readTo = 0;
  #count = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** 0 as long as there is no file. */
  async read(): Promise<number> {
    let handle: FileHandle;
    try {
      handle = await open(this.#file);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
      throw error;
    }
    try {
      const { size } = await handle.stat();
      const { buffer } = await handle.read({ buffer: Buffer.alloc(size - this.#readTo), position: this.#readTo });
      // The last line may be half written.
      const whole = buffer.subarray(0, buffer.lastIndexOf(LINE_END) + 1);
      this.#count += whole.toString().split(GRANT).length - 1;
      this.#readTo += whole.length;
      return this.#count;
    } finally {
      await handle.close();
    }
  }
}
