export { loadMarks, type MarkLoad } from './mark-load.js';
export {
  attempt,
  callOf,
  free,
  freeAll,
  type Granted,
  newName,
  newOwner,
  permitsOf,
  requestOf,
  take,
} from './requests.js';
