export * from '@holdfast/redlock';
