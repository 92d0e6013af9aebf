export * from '@holdfast/fencing';
