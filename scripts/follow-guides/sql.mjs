// The blocks of SQL, which a reader gives to psql; those with $1 are statements of an application, so a driver sends them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { root } from '../try-frameworks/project.mjs';

const SHOP = 'postgres://localhost:5432/shop';
const EARLIER = 'create table account (id int primary key, balance int not null); insert into account values (1, 1000)';

export async function followSql(reader) {
  const { Client } = createRequire(`${root}packages/postgres/package.json`)('pg');
  const database = new Client({ connectionString: reader.addressOf(SHOP) });
  await database.connect();
  const rowsOf = async (statement, values) => (await database.query(statement, values)).rowCount;
  try {
    await database.query(EARLIER);
    const [column, table] = reader.blocks('docs/protecting-a-row.md', 'sql');
    const [alter, update] = statementsOf(column);
    await database.query(alter);
    assert.deepEqual([await rowsOf(update, [1, 900, 7n]), await rowsOf(update, [1, 800, 7n]), await rowsOf(update, [1, 0, 6n])], [1, 1, 0]);
    const [create, enter] = statementsOf(table);
    await database.query(create);
    assert.deepEqual([await rowsOf(enter, ['a', 7n]), await rowsOf(enter, ['a', 7n]), await rowsOf(enter, ['a', 6n])], [1, 1, 0]);
    assert.deepEqual((await database.query('select balance from account')).rows, [{ balance: 800 }]);
  } finally {
    await database.end();
  }
}

function statementsOf(block) {
  return block
    .split(';\n')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
