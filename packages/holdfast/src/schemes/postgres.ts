export { openBackend, openBackendRules as optionRules } from '@holdfast/postgres';
