/**
 * Five versions of an object's schema, each a migration after the one before, and what each makes of older data.
 *
 * No step may run twice or by half without being seen. `test/migrations/migrations.steps.test.ts` stops them by errors and resets,
 * `npm run crash -- migrations` by SIGKILL.
 */
import type { Migration } from "durable-base/migrations";

export const MIGRATIONS: readonly Migration[] = [
  {
    id: "1-todos",
    up: `create table todos (id integer primary key, title text not null, done text);
      create index by_title on todos (title);
      insert into todos (title, done) values ('first', 'no') returning id;`,
  },
  {
    id: "2-open",
    up({ kv, sql }) {
      const { open } = sql.exec<{ open: number }>("select count(*) as open from todos where done = 'no'").one();
      kv.put("open", (kv.get<number>("open") ?? 0) + open);
      sql.exec("update todos set title = title || ', counted'");
    },
  },
  {
    id: "3-rebuild",
    up: `create table old as select * from todos;
      drop table todos;
      create table todos (id integer primary key, title text not null, done integer not null);
      create index by_title on todos (title);
      insert into todos select id, title, done = 'yes' from old;
      drop table old;`,
  },
  {
    id: "4-log",
    up: `create table log (text text not null);
      create trigger logs after update on todos begin
        insert into log values (old.title);
      end;
      update todos set title = title || '!';`,
  },
  {
    id: "5-more",
    up({ kv, sql }) {
      kv.put("open", kv.get<number>("open")! + 100);
      kv.delete("old");
      sql.exec("insert into log values ('more')");
    },
  },
];

/** What code of that version, up to which an object has run the steps, writes. */
export function write({ kv, sql }: DurableObjectStorage, version: number): void {
  kv.put("old", version);
  if (version > 0) sql.exec("insert into todos (title, done) values (?, ?)", `of ${version}`, version < 3 ? "yes" : 1);
}

/** All that is stored, but for the library's rows. */
export interface Stored {
  /** Tables, indexes and triggers. */
  readonly schema: readonly string[];
  readonly rows: Readonly<Record<string, unknown>>;
  readonly keys: Readonly<Record<string, unknown>>;
}

/** What has to be there after all steps, in an object in which code of that version wrote. */
export function expected(version: number): Stored {
  const todos = [{ id: 1, title: "first, counted!", done: 0 }];
  const log = ["first, counted"];
  if (version > 0) {
    const title = version < 2 ? "of 1, counted" : `of ${version}`;
    todos.push({ id: 2, title: version < 4 ? `${title}!` : title, done: 1 });
    if (version < 4) log.push(title);
  }
  log.push("more");
  return {
    schema: ["by_title", "log", "logs", "todos"],
    rows: { log: log.map((text) => ({ text })), todos },
    keys: { open: 101 },
  };
}

/** What is stored, as text. */
export function storedText({ kv, sql }: DurableObjectStorage): string {
  const all = sql.exec<{ type: string; name: string }>("select type, name from sqlite_schema order by name").toArray();
  const own = all.filter(({ name }) => !name.startsWith("_"));
  const tables = own.filter(({ type }) => type === "table");
  const stored: Stored = {
    schema: own.map(({ name }) => name),
    rows: Object.fromEntries(tables.map(({ name }) => [name, sql.exec(`select * from ${name}`).toArray()])),
    keys: Object.fromEntries(Array.from(kv.list()).filter(([key]) => !key.startsWith("durable-base:"))),
  };
  return JSON.stringify(stored);
}
