import * as core from '@holdfast/core';
import * as coreConformance from '@holdfast/core/conformance';
import * as coreElection from '@holdfast/election';
import * as coreFencing from '@holdfast/fencing';
import * as coreJobs from '@holdfast/jobs';
import * as coreNodeCron from '@holdfast/jobs/node-cron';
import * as coreMemory from '@holdfast/core/memory';
import * as coreOtel from '@holdfast/otel';
import * as coreMigration from '@holdfast/migration';
import * as coreTesting from '@holdfast/core/testing';
import * as postgresBackend from '@holdfast/postgres';
import * as redisBackend from '@holdfast/redis';
import * as redlockBackend from '@holdfast/redlock';
import * as zooKeeperBackend from '@holdfast/zookeeper';
import * as holdfast from 'holdfast';
import * as conformance from 'holdfast/conformance';
import * as election from 'holdfast/election';
import * as fencing from 'holdfast/fencing';
import * as jobs from 'holdfast/jobs';
import * as nodeCron from 'holdfast/jobs/node-cron';
import * as memory from 'holdfast/memory';
import * as migration from 'holdfast/migration';
import * as otel from 'holdfast/otel';
import * as postgres from 'holdfast/postgres';
import * as redis from 'holdfast/redis';
import * as testing from 'holdfast/testing';
import * as redlock from 'holdfast/redlock';
import * as zookeeper from 'holdfast/zookeeper';
import { describe, expect, it } from 'vitest';

describe('holdfast', () => {
  it('is core’s root, connect, loadConfig and redactUrl', () => {
    expect(Object.keys(holdfast).sort()).toEqual([...Object.keys(core), 'connect', 'loadConfig', 'redactUrl'].sort());
    expect(holdfast.LockError).toBe(core.LockError);
  });

  it.each([
    ['memory', memory, coreMemory],
    ['testing', testing, coreTesting],
    ['conformance', conformance, coreConformance],
    ['jobs', jobs, coreJobs],
    ['jobs/node-cron', nodeCron, coreNodeCron],
    ['election', election, coreElection],
    ['fencing', fencing, coreFencing],
    ['otel', otel, coreOtel],
    ['migration', migration, coreMigration],
    ['redis', redis, redisBackend],
    ['postgres', postgres, postgresBackend],
    ['redlock', redlock, redlockBackend],
    ['zookeeper', zookeeper, zooKeeperBackend],
  ] as const)('has %s as it is', (_, ours, theirs) => {
    expect(Object.keys(theirs).length).toBeGreaterThan(0);
    expect(ours).toMatchObject(theirs);
  });
});
