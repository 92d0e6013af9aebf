export * from '@holdfast/core/migration';
