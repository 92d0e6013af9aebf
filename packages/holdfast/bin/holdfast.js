#!/usr/bin/env node
// A file of its own, so that it is there before anything is built: package managers link it when they install.
import '../dist/cli/main.js';
