import { argv } from 'node:process';
import { simulateFromCommandLine } from '@holdfast/test/simulator';
import { tableKind } from './table-kind.js';

await simulateFromCommandLine(
  tableKind,
  argv.slice(2).filter((argument) => argument !== '--'),
);
