export * from '@holdfast/migration';
