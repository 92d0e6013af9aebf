import { postgresSchemaSql } from '../../postgres.js';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../output.js';

export interface SchemaOptions {
  readonly schema?: string;
  readonly role?: string;
}

/** `holdfast schema`: the SQL that an administrator runs where the application's role may not make tables. Needs no server. */
export function schema({ schema: name, role }: SchemaOptions, output: Output): number {
  output.print(postgresSchemaSql({ schema: name, role }).trimEnd());
  return exitCodes.ok;
}
