export * from '@holdfast/core/conformance';
