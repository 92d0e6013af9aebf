import { readOptions, rule } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import {
  type DynamicModule,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type OptionalFactoryDependency,
  type Provider,
} from '@nestjs/common';
import { JOB_LOCKS, LOCK_MANAGER } from './injection.js';
import { LockHealthIndicator } from './lock-health-indicator.js';
import type { LockModuleOptions } from './lock-module-options.js';
import { OpenedLocks } from './opened-locks.js';

/** Options of `forRoot`. */
export interface LockModuleRootOptions extends LockModuleOptions {
  /**
   * Whether all modules can inject the locks without importing this one.
   * @default true
   */
  readonly isGlobal?: boolean | undefined;
}

/** Options of `forRootAsync`. */
export interface LockModuleAsyncOptions {
  /** Modules whose providers `inject` names. */
  readonly imports?: ModuleMetadata['imports'] | undefined;
  /** What the factory gets. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[] | undefined;
  /** Says which manager. */
  // Nest knows what it injects; the user says what that is.
  readonly useFactory: (...args: never[]) => LockModuleOptions | Promise<LockModuleOptions>;
  /** As of `forRoot`. @default true */
  readonly isGlobal?: boolean | undefined;
}

const asyncRules = { imports: rule.array, inject: rule.array, useFactory: rule.function, isGlobal: rule.boolean };

/**
 * Locks for a Nest application: `LOCK_MANAGER` and `JOB_LOCKS` to inject, `LockHealthIndicator`, and the manager behind `@WithLock` and `@RunOnce`. Closes a manager that it has made
 * in the last hook of shutdown, after the last request.
 */
export class LockModule {
  /** With options that are known now. Bad ones reject when the application starts, with LOCK_INVALID_ARGUMENT. */
  static forRoot(options: LockModuleRootOptions): DynamicModule {
    const isGlobal = (options as LockModuleRootOptions | undefined)?.isGlobal;
    return moduleOf({ provide: OpenedLocks, useFactory: () => OpenedLocks.open(options, { isGlobal: rule.boolean }) }, isGlobal);
  }

  /**
   * With options that other providers know, such as those of a configuration. Bad ones, and what the factory throws, reject when the application starts.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option of its own
   */
  static forRootAsync(options: LockModuleAsyncOptions): DynamicModule {
    const read = readOptions('LockModule.forRootAsync', options, asyncRules, ['useFactory']);
    const { imports = [], inject = [], useFactory, isGlobal } = read;
    const open = async (...args: never[]): Promise<OpenedLocks> => OpenedLocks.open(await useFactory(...args));
    return { ...moduleOf({ provide: OpenedLocks, useFactory: open, inject }, isGlobal), imports };
  }
}

// The function, as TypeScript's own decorators are those of the standard, which Nest does not know.
Module({})(LockModule);

let modules = 0;

function moduleOf(opened: Provider, isGlobal = true): DynamicModule {
  const inject = [OpenedLocks];
  // By its text, as `moduleIdGeneratorAlgorithm: 'deep-hash'` compares modules, one LockModule is like another.
  const id = { provide: Symbol('LockModule'), useValue: ++modules };
  return {
    module: LockModule,
    global: isGlobal,
    providers: [
      id,
      opened,
      { provide: LOCK_MANAGER, inject, useFactory: ({ manager }: OpenedLocks) => manager },
      { provide: JOB_LOCKS, inject, useFactory: ({ manager }: OpenedLocks) => createJobLockManager(manager) },
      { provide: LockHealthIndicator, inject, useFactory: ({ manager }: OpenedLocks) => new LockHealthIndicator(manager) },
    ],
    exports: [LOCK_MANAGER, JOB_LOCKS, LockHealthIndicator],
  };
}
