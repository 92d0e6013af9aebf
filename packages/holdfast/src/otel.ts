export * from '@holdfast/otel';
