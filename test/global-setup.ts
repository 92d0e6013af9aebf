import { findProcessSource, redisSpec } from './servers/index.js';

/** Makes sure that the servers are there, once for all test files: an installation may take longer than any test is allowed to. */
export default async function setup(): Promise<void> {
  await findProcessSource(redisSpec);
}
