export { EPOCH_MS, Machine } from './machine.js';
export { calm, type Exchange, type Mishap, Network, type Weather } from './network.js';
export { Random } from './random.js';
export { runMain } from './run-main.js';
export { Violation } from './violation.js';
export { World } from './world.js';
