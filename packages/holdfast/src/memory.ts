export * from '@holdfast/core/memory';
