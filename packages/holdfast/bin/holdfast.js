#!/usr/bin/env node
// A file of its own, so that it is there before anything is built: package managers link it when they install.
import process from 'node:process';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
// An older one would speak of what it does not know, in words of its own.
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`holdfast: this is Node ${process.versions.node}; holdfast needs 20.19 or later\n`);
  process.exit(70);
}
await import('../dist/cli/main.js');
