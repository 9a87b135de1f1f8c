/** What the functions of `Storage` accept, refuse and give at compile time. */
import { DurableBase, type Handle } from "durable-base";
import { migrate, type Migration } from "durable-base/migrations";
import * as Storage from "durable-base/storage";

declare const ctx: DurableObjectState;

interface User {
  name: string;
}

export const unknown: unknown = Storage.get(ctx, "a");
export const maybe: number | undefined = Storage.get<number>(ctx.storage, "a");
export const visits: number = Storage.get(ctx, "a", 0);
export const isFive: boolean = Storage.get(ctx, "a", 0) === 5;
export const role: "admin" | "guest" = Storage.get<"admin" | "guest">(ctx, "a", "guest");
// @ts-expect-error without a fallback there may be none
export const none: number = Storage.get<number>(ctx, "a");
// @ts-expect-error the fallback is of the same type
Storage.get<number>(ctx, "a", "0");

export const has: boolean = Storage.has(ctx, "a");
export const users: Map<string, User> = Storage.getMany<User>(ctx, ["a"]);
// @ts-expect-error one string is no list of keys
void Storage.getMany(ctx, "abc");
// @ts-expect-error the synchronous storage of the platform has no options
void Storage.put(ctx, "a", 1, { allowUnconfirmed: true });

Storage.putMany(ctx, [["a", 1]]);
Storage.putMany(ctx, new Map([["a", 1]]));
Storage.putMany(ctx, { a: 1 });
// @ts-expect-error these are keys without values
void Storage.putMany(ctx, ["ab"]);

export const next: number | undefined = Storage.update<number>(ctx, "a", (n = 0) => n + 1);
// @ts-expect-error the function must be synchronous
Storage.update<number>(ctx, "a", async (n = 0) => n + 1);

Storage.batch(ctx, [{ put: "a", value: 1 }, { delete: "b" }]);
// @ts-expect-error a put has a value
void Storage.batch(ctx, [{ put: "a" }]);
// @ts-expect-error it is one of the two
void Storage.batch(ctx, [{ put: "a", value: 1, delete: "b" }]);

for (const [key, user] of Storage.list<User>(ctx, { prefix: "a", limit: 1 })) ((): string => key + user.name)();
export const counted: number = Storage.count(ctx, { start: "a" }) + Storage.clear(ctx, { end: "b" });
// @ts-expect-error there is no such option
void Storage.list(ctx, { limt: 1 });
// @ts-expect-error nor has it the options of the platform's async storage
void Storage.count(ctx, { noCache: true });

interface Todo {
  id: number;
  title: string;
  bytes: ArrayBuffer | null;
}

const query = Storage.sql<Todo>(ctx)`select * from todos where id = ${1} and bytes = ${new Uint8Array()}`;
export const todo: Todo = query.one();
export const first: Todo | undefined = query.first();
export const all: Todo[] = query.all();
export const written: number = query.run().rowsWritten;
for (const { title } of query) ((): string => title)();
export const untyped: string | number | null | ArrayBuffer = Storage.sql(ctx)`select 1 as n`.one()["n"]!;
export const listed: Storage.SqlFragment = Storage.sql.join([1, Storage.sql.part`${2n}`], Storage.sql.part`, `);
// @ts-expect-error the first row may not be there
export const there: Todo = query.first();
// @ts-expect-error a query is no promise
export const awaited = async (): Promise<unknown> => await query;
// @ts-expect-error a column is never a Date
Storage.sql<{ at: Date }>(ctx)`select at from t`.run();
// @ts-expect-error nor a boolean
Storage.sql<{ done: boolean }>(ctx)`select done from t`.run();
// @ts-expect-error SQL is no string
Storage.sql(ctx)("select 1");
// @ts-expect-error a boolean is not bound
Storage.sql(ctx)`select ${true}`.run();
// @ts-expect-error nor a Date
Storage.sql(ctx)`select ${new Date()}`.run();
// @ts-expect-error nor what may not be there
Storage.sql(ctx)`select ${first?.title}`.run();
// @ts-expect-error nor an array: `sql.join`
Storage.sql(ctx)`select ${[1, 2]}`.run();
// @ts-expect-error a separator is a piece of SQL
Storage.sql.join([1], " or ");
// @ts-expect-error what looks like a piece is none
Storage.sql(ctx)`select ${{ text: "1", values: [] }}`.run();

export const sync: number = Storage.transaction(ctx, () => 1);
export const later: Promise<number> = Storage.transaction(ctx, async () => 1);
// @ts-expect-error it is there later
export const tooEarly: number = Storage.transaction(ctx, async () => 1);

declare const stub: DurableObjectStub;
declare const handle: Handle<{ work(): void }>;

export const remote: Promise<unknown> = Storage.get(stub, "a");
export const remoteMaybe: Promise<number | undefined> = Storage.get<number>(handle, "a");
export const remoteVisits: Promise<number> = Storage.get(handle, "a", 0);
// @ts-expect-error it is still to come
export const remoteNumber: number = Storage.get(handle, "a", 0);
export const remoteHas: Promise<boolean> = Storage.has(handle, "a");
export const remoteUsers: Promise<Map<string, User>> = Storage.getMany<User>(handle, ["a"]);
export const remoteEntries: AsyncIterable<[string, User]> = Storage.list<User>(handle, { prefix: "a" });
export const remoteCount: Promise<number> = Storage.count(handle);
export const remoteDone: Promise<void>[] = [
  Storage.put(handle, "a", 1),
  Storage.putMany(handle, { a: 1 }),
  Storage.batch(handle, [{ delete: "a" }]),
];
export const remoteSum: Promise<number | undefined> = Storage.update<number>(handle, "a", (n = 0) => n + 1);
// @ts-expect-error between an await and the write others would write
void Storage.update<number>(handle, "a", async (n = 0) => n + 1);
// @ts-expect-error the platform's own has options, not this
void Storage.put(handle, "a", 1, { allowUnconfirmed: true });
export class Hall extends DurableBase {
  override async fetch(request: Request): Promise<Response> {
    return await super.fetch(request);
  }
  inside(): void {
    // @ts-expect-error an object has a `fetch`, but is no stub of itself
    void Storage.get(this, "a");
    void Storage.get(this.ctx, "a");
  }
}
// @ts-expect-error SQL stays inside
Storage.sql(handle);
// These are functions of `durable-base/transfer`.
type Moved = Extract<keyof typeof Storage, "export" | "import" | "importing" | "bookmark" | "restore">;
export const haveMoved: [Moved] extends [never] ? true : false = true;
// @ts-expect-error transactions stay inside
Storage.transaction(handle, () => 1);
export const migrations: readonly Migration[] = [
  { id: "1", up: "create table t (n)" },
  { id: "2", up: (storage) => storage.sql.exec("insert into t values (1)") },
];
export const ran: string[] = migrate(ctx, migrations);
// @ts-expect-error a step has an id
migrate(ctx.storage, [{ up: "create table t (n)" }]);
// @ts-expect-error a text alone is no step
migrate(ctx, ["create table t (n)"]);
