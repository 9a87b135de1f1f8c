import { DurableObject } from "cloudflare:workers";
import * as Storage from "durable-base/storage";

/** What both classes do, `size` times in a call: the call itself is not what is measured. */
export interface Stored {
  fill(): void;
  get(size: number): number;
  put(size: number): void;
  list(size: number): number;
  select(size: number): number;
  insert(size: number): number;
}

interface Entry {
  id: number;
  name: string;
}

const KEYS = Array.from({ length: 1_000 }, (_, i) => `entry:${10_000 + i}`);
const entryOf = (id: number): Entry => ({ id, name: `entry ${id}` });
const keyOf = (i: number): string => KEYS[(i * 7) % 1_000]!;

/** `ctx.storage` itself. */
export class HandStorage extends DurableObject implements Stored {
  fill(): void {
    const { kv, sql } = this.ctx.storage;
    sql.exec("create table if not exists entries (id integer primary key, name text not null)");
    sql.exec("create table if not exists inserted (id integer primary key, name text not null)");
    for (const [i, key] of KEYS.entries()) {
      kv.put(key, entryOf(i));
      sql.exec("insert or replace into entries values (?, ?)", i, `entry ${i}`);
    }
  }

  get(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += this.ctx.storage.kv.get<Entry>(keyOf(i))!.id;
    return sum;
  }

  put(size: number): void {
    for (let i = 0; i < size; i++) this.ctx.storage.kv.put(keyOf(i), entryOf((i * 7) % 1_000));
  }

  list(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      for (const [, { id }] of this.ctx.storage.kv.list<Entry>({ prefix: "entry:" })) sum += id;
    }
    return sum;
  }

  select(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const query = "select id, name from entries where id = ?";
      sum += this.ctx.storage.sql.exec<{ id: number; name: string }>(query, i % 1_000).one().id;
    }
    return sum;
  }

  insert(size: number): number {
    const { sql } = this.ctx.storage;
    for (let i = 0; i < size; i++) {
      sql.exec("delete from inserted");
      for (let id = 0; id < 1_000; id++) sql.exec("insert into inserted (id, name) values (?, ?)", id, "name");
    }
    return sql.exec<{ n: number }>("select count(*) as n from inserted").one().n;
  }
}

/** The same by `Storage`. */
export class OurStorage extends DurableObject implements Stored {
  fill(): void {
    const { sql } = Storage;
    sql(this.ctx)`create table if not exists entries (id integer primary key, name text not null)`.run();
    sql(this.ctx)`create table if not exists inserted (id integer primary key, name text not null)`.run();
    for (const [i, key] of KEYS.entries()) {
      Storage.put(this.ctx, key, entryOf(i));
      sql(this.ctx)`insert or replace into entries values (${i}, ${`entry ${i}`})`.run();
    }
  }

  get(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += Storage.get<Entry>(this.ctx, keyOf(i))!.id;
    return sum;
  }

  put(size: number): void {
    for (let i = 0; i < size; i++) Storage.put(this.ctx, keyOf(i), entryOf((i * 7) % 1_000));
  }

  list(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      for (const [, { id }] of Storage.list<Entry>(this.ctx, { prefix: "entry:" })) sum += id;
    }
    return sum;
  }

  select(size: number): number {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      sum += Storage.sql<Entry>(this.ctx)`select id, name from entries where id = ${i % 1_000}`.one().id;
    }
    return sum;
  }

  insert(size: number): number {
    const sql = Storage.sql(this.ctx);
    for (let i = 0; i < size; i++) {
      sql`delete from inserted`.run();
      for (let id = 0; id < 1_000; id++) sql`insert into inserted (id, name) values (${id}, ${"name"})`.run();
    }
    return Storage.sql<{ n: number }>(this.ctx)`select count(*) as n from inserted`.one().n;
  }
}
