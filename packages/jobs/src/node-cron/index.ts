export { createRunCoordinator, type RunCoordinator, type RunCoordinatorOptions } from './run-coordinator.js';
