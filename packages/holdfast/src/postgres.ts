export * from '@holdfast/postgres';
