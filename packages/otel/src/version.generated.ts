// Written by scripts/write-otel-version.mjs from package.json; do not edit.

/** The version of this package. */
export const VERSION: string = '0.0.0';
