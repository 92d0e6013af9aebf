// What a release needs and a packing for tests does not.
import { REPOSITORY } from '../repository.mjs';

if (!/^https:\/\/[^/]+\/[^/]+\/[^/]+$/.test(REPOSITORY ?? '')) {
  console.error(
    `REPOSITORY in scripts/repository.mjs is ${JSON.stringify(REPOSITORY)}: set it to where the source is published, such as https://github.com/owner/holdfast. Without it npm shows links that lead nowhere, and cannot verify where a package was built.`,
  );
  process.exitCode = 1;
}
