import type { TestRunner } from '@holdfast/core/conformance';

/** One case, as the suite registered it. */
export interface RegisteredCase {
  readonly topic: string;
  readonly id: string;
  readonly title: string;
  readonly body: () => Promise<void>;
  readonly timeoutMs: number;
}

/** How one case went. */
export interface CaseResult {
  readonly topic: string;
  readonly id: string;
  readonly title: string;
  readonly ok: boolean;
  readonly ms: number;
  /** Only of a case that failed. */
  readonly error?: string;
}

/** A test runner that only writes down what there is to run. */
export class CaseCollector implements TestRunner {
  readonly cases: RegisteredCase[] = [];
  readonly #titles: string[] = [];

  describe(title: string, body: () => void): void {
    this.#titles.push(title);
    body();
    this.#titles.pop();
  }

  it(title: string, body: () => Promise<void>, timeoutMs = 60_000): void {
    const [id = title, ...rest] = title.split(': ');
    this.cases.push({ topic: this.#titles.at(-1) ?? '', id, title: rest.join(': '), body, timeoutMs });
  }
}

/** Runs the cases, some at a time, in their order. `onResult` is told of each as it ends; `signal` starts no more of them. */
export async function runCases(
  cases: readonly RegisteredCase[],
  concurrency: number,
  onResult: (result: CaseResult) => void,
  signal: AbortSignal,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  const queue = cases.entries();
  const work = async (): Promise<void> => {
    for (const [index, each] of queue) {
      if (signal.aborted) return;
      const result = await runCase(each);
      results[index] = result;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return results.filter((result) => result !== undefined);
}

async function runCase({ topic, id, title, body, timeoutMs }: RegisteredCase): Promise<CaseResult> {
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not ended after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), late]);
    return { topic, id, title, ok: true, ms: elapsed(start) };
  } catch (error) {
    return { topic, id, title, ok: false, ms: elapsed(start), error: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

function elapsed(start: number): number {
  return Math.round(performance.now() - start);
}
