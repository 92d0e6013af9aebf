import { argv } from 'node:process';
import { simulateFromCommandLine } from '@holdfast/test/simulator';
import { redisKind } from './redis-kind.js';

await simulateFromCommandLine(
  redisKind,
  argv.slice(2).filter((argument) => argument !== '--'),
);
