export * from '@holdfast/core/jobs';
