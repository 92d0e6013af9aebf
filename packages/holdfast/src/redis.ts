export * from '@holdfast/redis';
