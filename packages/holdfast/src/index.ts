// Whatever core's root exports, so that `holdfast` is the only import that most applications need.
export * from '@holdfast/core';
export type { BackendModule } from './backend-module.js';
export { connect } from './connect.js';
export type {
  BuiltInOptions,
  ConnectConfig,
  ConnectOptions,
  CustomConnectConfig,
  CustomConnectOptions,
  RequiredToken,
  Requirement,
} from './connect-options.js';
export { loadConfig } from './load-config.js';
export { redactUrl } from './redact-url.js';
export type { SchemeSource, SchemeTable } from './schemes.js';
