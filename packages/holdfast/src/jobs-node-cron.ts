export * from '@holdfast/jobs/node-cron';
