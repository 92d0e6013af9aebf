/**
 * Where the source is published, such as `https://github.com/owner/holdfast`, without a slash at its end. From it come `repository`, `homepage`
 * and `bugs` of every package, and the absolute links in what npm shows. null: not known yet; packing goes on without them, and
 * `pnpm release` refuses.
 */
export const REPOSITORY = null;

/** The branch that links lead to. */
export const BRANCH = 'main';
