import { defineConfig } from 'vitest/config';
import base, { installs } from './vitest.config.js';

/** The last part of `pnpm check:packages`: projects of users that install the tarballs, with each package manager. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    // Package managers and compilers compute: as many at a time as a small machine has cores.
    maxConcurrency: 2,
    projects: [{ extends: true, test: { name: 'packages', include: [installs], exclude: ['**/node_modules/**'] } }],
  },
});
