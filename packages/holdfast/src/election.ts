export * from '@holdfast/election';
