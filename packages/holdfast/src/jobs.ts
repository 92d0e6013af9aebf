export * from '@holdfast/jobs';
