export * from '@holdfast/zookeeper';
