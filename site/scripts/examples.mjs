// Which exported names need an example in their docstring: each function that makes an object that users hold, and each object that only
// another object gives out. What is made by a function is shown by the example of that function.
import { ReflectionKind } from 'typedoc';

/** What authors of backends use, and what a suite brings: their pages show how. */
const FOR_AUTHORS = /^core\/(backend|conformance)$/;

/**
 * @param {import('typedoc').ProjectReflection} project
 * @returns {readonly string[]} the names that need an example and have none
 */
export function withoutExample(project) {
  const entries = (project.children ?? []).filter(({ name }) => !FOR_AUTHORS.test(name));
  const signatures = entries.flatMap(({ children }) => children ?? []).flatMap((child) => (isMaker(child) ? child.signatures : []));
  const makers = signatures.filter(({ type }) => objectsIn(type).length > 0);
  const made = new Set(makers.flatMap(({ type }) => objectsIn(type)));
  const found = new Set();
  for (const object of made) collect(object, found);
  const needing = [...makers.map(({ parent }) => parent), ...[...found].filter((object) => !made.has(object))];
  return [...new Set(needing)].filter((each) => !hasExample(each)).map((each) => `${each.parent?.name}.${each.name}`);
}

/** `openBackend` is for `connect`, which has the example. */
function isMaker({ kind, name }) {
  return kind === ReflectionKind.Function && name !== 'openBackend';
}

/** An object and all that its methods give out. */
function collect(object, found) {
  if (found.has(object)) return;
  found.add(object);
  for (const signature of methodsOf(object)) for (const given of objectsIn(signature.type)) collect(given, found);
}

function methodsOf(object) {
  return (object.children ?? []).filter(({ kind }) => kind === ReflectionKind.Method).flatMap(({ signatures }) => signatures ?? []);
}

/** The interfaces with methods that a type names: itself, in a promise, or as one of several. */
function objectsIn(type) {
  if (type?.type === 'union' || type?.type === 'intersection') return type.types.flatMap(objectsIn);
  if (type?.type !== 'reference') return [];
  if (type.name === 'Promise') return (type.typeArguments ?? []).flatMap(objectsIn);
  const target = type.reflection;
  return target?.kind === ReflectionKind.Interface && methodsOf(target).length > 0 ? [target] : [];
}

function hasExample({ comment, signatures = [] }) {
  const comments = [comment, ...signatures.map((signature) => signature.comment)];
  return comments.some((each) => each?.blockTags.some(({ tag }) => tag === '@example'));
}
